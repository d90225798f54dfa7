//! Tokens for the JSON API: issued and revoked by whoever runs `lockstep tokens`.

use std::{collections::BTreeSet, path::Path};

use casework::{Role, audit::Entry};
use jiff::{SignedDuration, Timestamp};

use super::{
    Sharing, SharingError,
    users::{Users, check_name},
};
use crate::{
    key::generate_token,
    store::{StoreError, TokenRow},
    token::{Scope, Token},
};

/// The longest that a token is valid.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366);

impl Sharing {
    /// A new token for a person of the users' file, or for a service. This is the only time that it can be seen.
    ///
    /// Refused for a person who is not in the file, for a scope that the owner can never use, and for more than a year.
    pub async fn issue_token(
        &self,
        owner: &str,
        service: bool,
        scopes: BTreeSet<Scope>,
        lasts: SignedDuration,
        by: &str,
    ) -> Result<String, SharingError> {
        let (owner, by) = (owner.to_owned(), by.to_owned());
        self.blocking(move |inner| {
            check_name(&owner)?;
            if scopes.is_empty() {
                return Err(SharingError::Refused("a token needs a scope: read, deliveries or handovers".to_owned()));
            }
            if lasts <= SignedDuration::ZERO || lasts > LONGEST {
                return Err(SharingError::Refused("a token is valid for up to 366 days, and expires".to_owned()));
            }
            if service {
                if scopes.contains(&Scope::Handovers) {
                    return Err(SharingError::Refused(
                        "a service cannot have the scope handovers: a handover is a person's record".to_owned(),
                    ));
                }
            } else {
                check_person(&inner.config.login.users, &owner, &scopes)?;
            }
            let now = Timestamp::now();
            let (id, shown, hash) = generate_token();
            let token = Token {
                id,
                owner,
                service,
                scopes,
                created_at: now,
                created_by: by,
                expires_at: now + lasts,
                last_used_at: None,
                revoked_at: None,
            };
            let names: Vec<&str> = token.scopes.iter().map(|scope| scope.name()).collect();
            let text = format!(
                "API token {} was issued, scopes {}, valid until {}",
                token.id,
                names.join(", "),
                token.expires_at.strftime("%Y-%m-%d %H:%M UTC")
            );
            let entry = entry(&token, "token_issued", text, &token.created_by, now);
            inner.store.add_token(&TokenRow { token, hash }, entry)?;
            Ok(shown)
        })
        .await
    }

    /// Revokes a token; its next request is refused. `Err` if no token of that id is in use.
    pub async fn revoke_token(&self, id: &str, by: &str) -> Result<Token, SharingError> {
        let (id, by) = (id.to_owned(), by.to_owned());
        self.blocking(move |inner| {
            let found = inner.store.token(&id)?.map(|row| row.token).filter(|token| token.revoked_at.is_none());
            let Some(mut token) = found else {
                return Err(StoreError::Partner(format!(
                    "there is no token {id:?} in use: `lockstep tokens list` shows the ids of tokens, 16 letters and digits each"
                ))
                .into());
            };
            let now = Timestamp::now();
            let text = format!("API token {id} was revoked");
            inner.store.revoke_token(&id, now, entry(&token, "token_revoked", text, &by, now))?;
            token.revoked_at = Some(now);
            Ok(token)
        })
        .await
    }

    /// All tokens, without secrets.
    pub async fn tokens(&self) -> Result<Vec<Token>, SharingError> {
        self.blocking(|inner| Ok(inner.store.tokens()?)).await
    }
}

fn check_person(users: &str, owner: &str, scopes: &BTreeSet<Scope>) -> Result<(), SharingError> {
    let refused = |why: String| Err(SharingError::Refused(why));
    if users.is_empty() {
        return refused(format!(
            "there is no file of users (sharing.login.users), so {owner:?} cannot own a token: use --service for a service"
        ));
    }
    let file = Users::read(Path::new(users))?;
    let Some((roles, _)) = file.roles(owner) else {
        return refused(format!(
            "there is no user {owner:?}: `lockstep users list` shows all users; use --service for a service. People who log in \
             with a provider cannot own a token, since Lockstep is not told when they leave"
        ));
    };
    for (scope, role) in [(Scope::Deliveries, Role::Admin), (Scope::Handovers, Role::Approver)] {
        if scopes.contains(&scope) && !roles.contains(&role) {
            return refused(format!("the scope {scope} needs the role {role}, which {owner:?} does not have"));
        }
    }
    Ok(())
}

fn entry(token: &Token, action: &str, text: String, by: &str, at: Timestamp) -> Entry {
    Entry { at, actor: by.to_owned(), subject: format!("user {}", token.actor()), action: action.to_owned(), text }
}
