use super::*;

/// A folder, and a database of a test's own.
pub(crate) type Place = (tempfile::TempDir, String);

/// A SQLite file in the folder.
pub(crate) fn sqlite_place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.sqlite").display().to_string();
    (folder, file)
}

/// A new schema of the server in LOCKSTEP_TEST_POSTGRES.
pub(crate) fn postgres_place() -> Place {
    (tempfile::tempdir().unwrap(), postgres::tests::place())
}

/// Makes two tests of each function: one on SQLite, and one on PostgreSQL, which is ignored unless it is asked for.
macro_rules! on_both_databases {
    (fn $($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test]
            fn $test() {
                super::$test($crate::store::database::tests::sqlite_place());
            })*
        }
        mod on_postgres {
            $(#[test]
            #[ignore = "needs PostgreSQL: tests/postgres/postgres.sh start"]
            fn $test() {
                super::$test($crate::store::database::tests::postgres_place());
            })*
        }
    };
    (async fn $($test:ident),* $(,)?) => {
        mod async_on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::store::database::tests::sqlite_place()).await;
            })*
        }
        mod async_on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs PostgreSQL: tests/postgres/postgres.sh start"]
            async fn $test() {
                super::$test($crate::store::database::tests::postgres_place()).await;
            })*
        }
    };
}
pub(crate) use on_both_databases;

on_both_databases!(fn what_partners_said_outlives_the_table_it_was_in, who_waits_too_long_for_a_connection_is_told, every_kind_of_value_comes_back_as_it_went_in, failed_work_leaves_nothing, a_newer_database_is_refused, a_changed_migration_is_noticed_and_a_store_without_checksums_is_taken_over, a_hundred_readers_share_the_connections_that_are_configured, probabilities_outlive_the_column_they_were_in);

fn every_kind_of_value_comes_back_as_it_went_in((_folder, place): Place) {
    let database = open(&place, 4).unwrap();
    let given = [
        Value::Int(i64::MIN),
        Value::Real(-0.1),
        Value::Text("ünï – \u{202e}'quoted' ?1 $1".to_owned()),
        Value::Blob(vec![0, 1, 255]),
        Value::Null,
    ];
    database
        .write(&mut |tx| {
            tx.script("create table t (a bigint, b double precision, c text, d bytea, e text)")?;
            tx.run("insert into t (a, b, c, d, e) values (?1, ?2, ?3, ?4, ?5)", &given).map(drop)
        })
        .unwrap();
    let mut found = Vec::new();
    database
        .read(&mut |tx| {
            found = tx.rows("select a, b, c, d, e from t where a = ?1 and e is null", values![i64::MIN])?;
            Ok(())
        })
        .unwrap();
    assert_eq!(found, [Row(given.to_vec())]);
}

fn failed_work_leaves_nothing((_folder, place): Place) {
    let database = open(&place, 4).unwrap();
    let failed = database.write(&mut |tx| {
        tx.run("insert into collections (number, id, title, description) values (7, 'x', '', '')", values![])?;
        Err(StoreError::Partner("no".to_owned()))
    });
    assert!(failed.is_err());
    let count = |sql: &str| {
        let mut n = 0;
        database.read(&mut |tx| tx.value(sql, values![]).map(|v| n = v.unwrap_or(-1i64))).unwrap();
        n
    };
    assert_eq!(count("select count(*) from collections where number = 7"), 0);
}

fn a_newer_database_is_refused((_folder, place): Place) {
    drop(open(&place, 4).unwrap());
    if place.starts_with("postgres") {
        open(&place, 4).unwrap().write(&mut |tx| tx.script("update lockstep_schema set version = 99")).unwrap();
    } else {
        rusqlite::Connection::open(&place).unwrap().pragma_update(None, "user_version", 99).unwrap();
    }
    let refused = open(&place, 4).err().unwrap().to_string();
    assert!(refused.contains("version 99"), "{refused}");
}

fn a_changed_migration_is_noticed_and_a_store_without_checksums_is_taken_over((_folder, place): Place) {
    let recorded = || {
        let mut found = Vec::new();
        let sql = "select version, checksum from lockstep_migrations order by version";
        open(&place, 4).unwrap().read(&mut |db| db.rows(sql, &[]).map(|rows| found = rows)).unwrap();
        found
    };
    let made = recorded();
    assert_eq!(made.len(), MIGRATIONS.len());
    open(&place, 4).unwrap().write(&mut |tx| tx.script("drop table lockstep_migrations")).unwrap();
    assert_eq!(recorded(), made, "as an earlier version left it");
    let next = format!("migration {} ", MIGRATIONS.len() + 1);
    for (change, named) in [
        ("update lockstep_migrations set checksum = 'another' where version = 3", "migration 3 "),
        ("delete from lockstep_migrations where version = 5", "migration 5 "),
        ("insert into lockstep_migrations (version, checksum) values (99, 'x')", next.as_str()),
    ] {
        let database = open(&place, 4).unwrap();
        database.write(&mut |tx| tx.script(change)).unwrap();
        let refused = open(&place, 4).err().unwrap().to_string();
        assert!(refused.contains(named) && refused.contains("backup"), "{refused}");
        database.write(&mut |tx| tx.script("delete from lockstep_migrations")).unwrap();
    }
}

/// Connections on which so many readers at once read, in a pool of so many.
fn connections_used(place: &str, readers: usize, connections: usize) -> usize {
    use std::{collections::BTreeSet, sync::Mutex, time::Duration};
    let database = open(place, connections).unwrap();
    let seen = Mutex::new((BTreeSet::new(), 0));
    std::thread::scope(|scope| {
        for _ in 0..readers {
            scope.spawn(|| {
                let work: Work<'_> = &mut |db| {
                    std::thread::sleep(Duration::from_millis(30));
                    let mut seen = seen.lock().unwrap();
                    match db.dialect() {
                        Dialect::Postgres => {
                            seen.0.insert(db.value::<i64>("select pg_backend_pid()", &[])?);
                        }
                        Dialect::Sqlite => seen.1 = seen.1.max(open_files(place)),
                    }
                    Ok(())
                };
                database.read(work).unwrap();
            });
        }
    });
    let seen = seen.into_inner().unwrap();
    seen.0.len().max(seen.1)
}

/// How often this process has a file open.
fn open_files(path: &str) -> usize {
    let all = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = all.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    targets.filter(|target| target == std::path::Path::new(path)).count()
}

#[cfg(target_os = "linux")]
fn a_hundred_readers_share_the_connections_that_are_configured((_folder, place): Place) {
    let used = connections_used(&place, 100, 4);
    assert!((2..=4).contains(&used), "{used} connections to {place}");
}

fn who_waits_too_long_for_a_connection_is_told((_folder, place): Place) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let database = open(&place, 2).unwrap();
    let mut waited = None;
    // Two are open at most, one of them for writing in a file: inside of these reads there is none left.
    database
        .read(&mut |db| match db.dialect() {
            Dialect::Sqlite => {
                waited = Some(database.read(&mut |_| Ok(())));
                Ok(())
            }
            Dialect::Postgres => database.read(&mut |_| {
                waited = Some(database.read(&mut |_| Ok(())));
                Ok(())
            }),
        })
        .unwrap();
    let text = waited.unwrap().unwrap_err().to_string();
    assert!(text.contains("in use") && text.contains("sharing.database_connections"), "{text}");
    // They are given back, and serve again.
    database.read(&mut |_| Ok(())).unwrap();
}

fn what_partners_said_outlives_the_table_it_was_in((_folder, place): Place) {
    let before = MIGRATIONS[3].split("create table feedback (").nth(1).unwrap().split("create table watched").next();
    let before = format!("create table feedback ({}", before.unwrap().rsplit_once("-- ").unwrap().0);
    let database = open(&place, 4).unwrap();
    let mut after = Vec::new();
    database
        .write(&mut |tx| {
            let dialect = tx.dialect();
            tx.script("drop table feedback")?;
            tx.script(&part_for(dialect, &before))?;
            tx.run("insert into collections (number, id, title, description) values (7, 'x', '', '')", values![])?;
            tx.run(
                "insert into feedback values (1, 7, 'o', 2, 'birds', 'case-a', 'a', 'twitter', '9', 'confirmed', 5, 'seen', 1)",
                values![],
            )?;
            tx.script(&part_for(dialect, MIGRATIONS[5]))?;
            let reviewer = "insert into feedback (number, partner, case_id, cluster_id, verdict, said_at, published)
                            values (2, 'reviewer:ann', 'case-a', 'a', 'rejected', 6, 0)";
            tx.run(reviewer, values![])?;
            after = tx.rows("select number, collection, object, partner, account, note from feedback order by number", values![])?;
            Ok(())
        })
        .unwrap();
    let text = |text: &str| Value::Text(text.to_owned());
    let of_partner = [Value::Int(1), Value::Int(7), text("o"), text("birds"), text("9"), text("seen")];
    let of_reviewer = [Value::Int(2), Value::Null, Value::Null, text("reviewer:ann"), Value::Null, Value::Null];
    assert_eq!(after, [Row(of_partner.to_vec()), Row(of_reviewer.to_vec())]);
}

fn probabilities_outlive_the_column_they_were_in((_folder, place): Place) {
    let database = open(&place, 4).unwrap();
    let mut after = Vec::new();
    database
        .write(&mut |tx| {
            let dialect = tx.dialect();
            // Terms and evidence refer to cases, and PostgreSQL keeps a table that others refer to.
            tx.script("drop table evidence_of_cases; drop table case_terms; drop table cases")?;
            let table = MIGRATIONS[0].split("create table collections").next().unwrap_or_default();
            tx.script(&part_for(dialect, table))?;
            let case = "insert into cases values
                ('c', 'case-c', 1, 'released', 'flagged', 0, 0.75, 12.5, 3, 'x', 'url', 1, 2, 3, '{}', '{}', null)";
            tx.run(case, values![])?;
            tx.script(&part_for(dialect, MIGRATIONS[6]))?;
            tx.run("update cases set log_e = 0.0, probability = null where probability = 0.75", values![])?;
            after = tx.rows("select cluster_id, probability, log_e, accounts from cases", values![])?;
            Ok(())
        })
        .unwrap();
    assert_eq!(after, [Row(vec![Value::Text("c".to_owned()), Value::Null, Value::Real(0.0), Value::Int(3)])]);
}

#[test]
fn a_migration_has_its_part_for_each() {
    let text = "create table a (n integer);\n--@sqlite\nS\n--@postgres\nP\n--@all\n-- an integer stays\nB";
    assert_eq!(part_for(Dialect::Sqlite, text), "create table a (n integer);\nS\n-- an integer stays\nB\n");
    assert_eq!(part_for(Dialect::Postgres, text), "create table a (n bigint);\nP\n-- an integer stays\nB\n");
}
