//! Tokens for the JSON API. What one allows: [`crate::token`].

use jiff::Timestamp;

use super::{
    Store, StoreError,
    audit_log::append_covering,
    contents::{self, Covers},
    database::{Row, values},
};
use crate::token::{Scope, Token};
use casework::audit::Entry;

/// A token with the hash of its secret.
#[derive(Debug, Clone)]
pub(crate) struct TokenRow {
    pub token: Token,
    pub hash: Vec<u8>,
}

const COLUMNS: &str =
    "token_id, owner, service, scopes, created_at, created_by, expires_at, last_used_at, revoked_at, hash";

impl Store {
    /// Keeps a new token.
    pub fn add_token(&self, row: &TokenRow, entry: Entry) -> Result<(), StoreError> {
        let TokenRow { token, hash } = row;
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.name()).collect();
        self.write(|tx| {
            tx.run(
                "insert into api_tokens (token_id, owner, service, scopes, hash, created_at, created_by, expires_at)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                values![
                    &token.id,
                    &token.owner,
                    token.service,
                    scopes.join(","),
                    &hash[..],
                    token.created_at,
                    &token.created_by,
                    token.expires_at
                ],
            )?;
            let covers = Covers { tokens: Some(contents::tokens(tx)?), ..Covers::default() };
            append_covering(tx, vec![entry], covers.text()?)
        })
    }

    /// The token of that id, valid or not.
    pub fn token(&self, id: &str) -> Result<Option<TokenRow>, StoreError> {
        self.read(|db| {
            let row = db.row(&format!("select {COLUMNS} from api_tokens where token_id = ?1"), values![id])?;
            row.map(read).transpose()
        })
    }

    /// All tokens, by owner, oldest first.
    pub fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        self.read(|db| {
            let sql = format!("select {COLUMNS} from api_tokens order by service, owner, created_at, token_id");
            db.rows(&sql, values![])?.into_iter().map(|row| Ok(read(row)?.token)).collect()
        })
    }

    /// Revokes a token.
    pub fn revoke_token(&self, id: &str, now: Timestamp, entry: Entry) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.run(
                "update api_tokens set revoked_at = ?2 where token_id = ?1 and revoked_at is null",
                values![id, now],
            )?;
            let covers = Covers { tokens: Some(contents::tokens(tx)?), ..Covers::default() };
            append_covering(tx, vec![entry], covers.text()?)
        })
    }

    /// Writes when a token was last used, unless that was written after `stale`.
    pub fn token_used(&self, id: &str, at: Timestamp, stale: Timestamp) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.run(
                "update api_tokens set last_used_at = ?2
                 where token_id = ?1 and (last_used_at is null or last_used_at < ?3)",
                values![id, at, stale],
            )
            .map(drop)
        })
    }
}

fn read(mut row: Row) -> Result<TokenRow, StoreError> {
    let (id, owner, service) = (row.take(0)?, row.take(1)?, row.take::<i64>(2)? != 0);
    let scopes: String = row.take(3)?;
    let scopes = scopes.split(',').map(str::parse).collect::<Result<_, String>>();
    let scopes: std::collections::BTreeSet<Scope> =
        scopes.map_err(|why| StoreError::Unreadable { what: "a token's scopes", why })?;
    let token = Token {
        id,
        owner,
        service,
        scopes,
        created_at: row.take(4)?,
        created_by: row.take(5)?,
        expires_at: row.take(6)?,
        last_used_at: row.take(7)?,
        revoked_at: row.take(8)?,
    };
    Ok(TokenRow { token, hash: row.take(9)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::tests::{Place, on_both_databases};

    on_both_databases!(fn a_token_is_stored_whole_and_revoked_once);

    fn a_token_is_stored_whole_and_revoked_once((_folder, place): Place) {
        let at = |second: i64| Timestamp::from_second(1_700_000_000 + second).unwrap();
        let entry = |action: &str| Entry {
            at: at(0),
            actor: "ida".to_owned(),
            subject: "token t1".to_owned(),
            action: action.to_owned(),
            text: String::new(),
        };
        let store = Store::open(&place, 4).unwrap();
        let token = Token {
            id: "t1".to_owned(),
            owner: "siem".to_owned(),
            service: true,
            scopes: [Scope::Read, Scope::Deliveries].into(),
            created_at: at(0),
            created_by: "ida".to_owned(),
            expires_at: at(100),
            last_used_at: None,
            revoked_at: None,
        };
        let row = TokenRow { token: token.clone(), hash: b"hash".to_vec() };
        store.add_token(&row, entry("token_issued")).unwrap();
        assert!(store.add_token(&row, entry("token_issued")).is_err(), "an id is used once");
        let found = store.token("t1").unwrap().unwrap();
        assert_eq!((&found.token, &found.hash[..]), (&token, &b"hash"[..]));
        assert!(store.token("t2").unwrap().is_none());
        store.token_used("t1", at(20), at(10)).unwrap();
        store.token_used("t1", at(25), at(15)).unwrap();
        store.revoke_token("t1", at(30), entry("token_revoked")).unwrap();
        store.revoke_token("t1", at(40), entry("token_revoked")).unwrap();
        let ended = Token { last_used_at: Some(at(20)), revoked_at: Some(at(30)), ..token };
        assert_eq!(store.tokens().unwrap(), [ended]);
    }
}
