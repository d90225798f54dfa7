//! PostgreSQL, for more than one instance of the service.

use std::collections::HashMap;

use bytes::BytesMut;
use deadpool::managed::{Manager, Metrics, Pool, RecycleError, RecycleResult};
use postgres::{
    Client, Config, GenericClient, Statement,
    types::{IsNull, ToSql, Type, to_sql_checked},
};

use super::{Database, Dialect, Row, Session, Value, Work, migrate, pool};
use crate::{config::database_url::without_password, store::StoreError};

/// The advisory lock that makes writers come one at a time, so that a reader who pages by `date_added` never sees an object
/// appear behind its cursor, and the audit log is one chain.
const WRITER: i64 = 0x6c6f_636b_7374_6570;

pub(super) struct Postgres {
    connections: Pool<Server>,
}

/// Opens connections.
struct Server {
    config: Config,
    tls: tokio_postgres_rustls::MakeRustlsConnect,
}

impl Manager for Server {
    type Type = Connection;
    type Error = StoreError;

    async fn create(&self) -> Result<Connection, StoreError> {
        Ok(Connection { client: self.config.connect(self.tls.clone())?, prepared: HashMap::new() })
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<StoreError> {
        match connection.client.is_closed() {
            true => Err(RecycleError::message("the server closed it")),
            false => Ok(()),
        }
    }
}

struct Connection {
    client: Client,
    prepared: HashMap<String, Statement>,
}

impl Postgres {
    /// Connects to a server, with at most so many connections. A password stands in the address, or in the environment's PGPASSWORD.
    pub fn open(address: &str, connections: usize) -> Result<Self, StoreError> {
        let refuse = |why: String| StoreError::Open { path: without_password(address), why };
        let mut config: Config = address.parse().map_err(|e: postgres::Error| {
            refuse(format!("{e}; write it like postgres://user:password@host:5432/database"))
        })?;
        if let (None, Ok(password)) = (config.get_password(), std::env::var("PGPASSWORD")) {
            config.password(password);
        }
        config.application_name("lockstep");
        let found = rustls_native_certs::load_native_certs();
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|e| refuse(e.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let server = Server { config, tls: tokio_postgres_rustls::MakeRustlsConnect::new(tls) };
        let postgres = Self { connections: pool::of(server, connections).map_err(refuse)? };
        blocking(|| postgres.begin(address))?;
        Ok(postgres)
    }

    /// The first connection, and the tables.
    fn begin(&self, address: &str) -> Result<(), StoreError> {
        let refuse = |why: String| StoreError::Open { path: without_password(address), why };
        let mut first = pool::take(&self.connections)
            .map_err(|error| refuse(format!("{error}; check that it runs and may be used")))?;
        first.transaction(&mut |tx| {
            tx.script("create table if not exists lockstep_schema (one bigint primary key check (one = 1), version bigint not null)")?;
            let found = tx.value("select version from lockstep_schema", &[])?.unwrap_or(0);
            let reached = migrate(tx, found, &without_password(address))?;
            tx.run(
                "insert into lockstep_schema (one, version) values (1, ?1) on conflict (one) do update set version = ?1",
                &[Value::Int(reached)],
            )
            .map(drop)
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A client waits for its connection to close, which it may not do on a thread that drives async tasks; and whoever holds
        // the store last may well be a task.
        let connections = self.connections.clone();
        let _ = std::thread::spawn(move || connections.close()).join();
    }
}

impl Database for Postgres {
    fn write(&self, work: Work<'_>) -> Result<(), StoreError> {
        blocking(|| pool::take(&self.connections)?.transaction(work))
    }

    fn read(&self, work: Work<'_>) -> Result<(), StoreError> {
        blocking(|| {
            let Connection { client, prepared } = &mut *pool::take(&self.connections)?;
            work(&mut Held { client, prepared })
        })
    }

    fn scrub(&self) -> Result<(), StoreError> {
        blocking(|| {
            let Connection { client, .. } = &mut *pool::take(&self.connections)?;
            let schema = "select tablename::text from pg_tables where schemaname = current_schema() order by 1";
            for table in client.query(schema, &[])? {
                // Outside of a transaction; the names are those of the migrations.
                client.batch_execute(&format!("vacuum (full) {}", table.try_get::<_, String>(0)?))?;
            }
            Ok(())
        })
    }

    fn is_in_place(&self) -> Result<(), StoreError> {
        // A server is asked anew with every statement.
        Ok(())
    }
}

/// Every connection has a runtime of its own, and those do not nest: a short command that calls from an async thread must leave it.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(work)
        }
        _ => work(),
    }
}

impl Connection {
    fn transaction(&mut self, work: Work<'_>) -> Result<(), StoreError> {
        let Connection { client, prepared } = self;
        let mut tx = client.transaction()?;
        tx.execute("select pg_advisory_xact_lock($1)", &[&WRITER])?;
        work(&mut Held { client: &mut tx, prepared })?;
        Ok(tx.commit()?)
    }
}

struct Held<'a, C> {
    client: &'a mut C,
    prepared: &'a mut HashMap<String, Statement>,
}

impl<C: GenericClient> Held<'_, C> {
    fn prepare(&mut self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(known) = self.prepared.get(sql) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(&numbered(sql))?;
        // Statements are few; those with lists of values are not, and must not pile up.
        if self.prepared.len() < 256 {
            self.prepared.insert(sql.to_owned(), statement.clone());
        }
        Ok(statement)
    }
}

impl<C: GenericClient> Session for Held<'_, C> {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        let statement = self.prepare(sql)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        Ok(self.client.execute(&statement, &values)?)
    }

    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        self.client.query(&statement, &values)?.iter().map(to_row).collect()
    }

    fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        Ok(self.client.batch_execute(sql)?)
    }
}

fn to_row(row: &postgres::Row) -> Result<Row, StoreError> {
    let value = |(column, of): (usize, &postgres::Column)| -> Result<Value, StoreError> {
        Ok(match *of.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(column)?.into(),
            Type::INT4 => row.try_get::<_, Option<i32>>(column)?.map(i64::from).into(),
            Type::BOOL => row.try_get::<_, Option<bool>>(column)?.into(),
            Type::FLOAT8 => row.try_get::<_, Option<f64>>(column)?.into(),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(column)?.into(),
            _ => row.try_get::<_, Option<String>>(column)?.into(),
        })
    };
    row.columns().iter().enumerate().map(value).collect::<Result<_, _>>().map(Row)
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(v) if *ty == Type::INT4 => i32::try_from(*v)?.to_sql(ty, out),
            Value::Int(v) if *ty == Type::FLOAT8 => (*v as f64).to_sql(ty, out),
            Value::Int(v) => v.to_sql(ty, out),
            Value::Real(v) => v.to_sql(ty, out),
            Value::Text(v) => v.as_str().to_sql(ty, out),
            Value::Blob(v) => v.as_slice().to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// `?1` as PostgreSQL writes it.
fn numbered(sql: &str) -> String {
    sql.replace('?', "$")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A new schema on the server that LOCKSTEP_TEST_POSTGRES names.
    pub(crate) fn place() -> String {
        let server = std::env::var("LOCKSTEP_TEST_POSTGRES").expect("the server in LOCKSTEP_TEST_POSTGRES");
        let schema = format!("test_{}", uuid::Uuid::new_v4().simple());
        blocking(|| {
            let mut client = Client::connect(&server, postgres::NoTls).unwrap();
            client.batch_execute(&format!("create schema {schema}")).unwrap();
        });
        let joint = if server.contains('?') { '&' } else { '?' };
        format!("{server}{joint}options=-c%20search_path%3D{schema}")
    }

    #[test]
    #[ignore = "needs PostgreSQL: tests/postgres/postgres.sh start"]
    fn a_store_on_postgres_can_be_dropped_by_a_task() {
        let place = place();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let postgres = Postgres::open(&place, 4).unwrap();
        runtime.block_on(async { tokio::spawn(async move { drop(postgres) }).await }).unwrap();
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(without_password("postgres://u:secret@h/d"), "postgres://u:***@h/d");
        let refused = Postgres::open("postgres://u:secret@127.0.0.1:1/d", 4).err().unwrap().to_string();
        assert!(!refused.contains("secret") && refused.contains("check that it runs"), "{refused}");
    }
}
