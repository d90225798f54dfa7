//! Watches the audit log: checks it from time to time, and writes its seals outside of the database.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use runtime::shutdown::Shutdown;
use serde_json::json;

use crate::{
    config::Audit,
    seals::{self, Seal},
    service::{Inner, Sharing, SharingError},
    store::{StoreError, kept},
    webhooks::send::Sender,
};

/// How often it is looked whether something is due.
const EVERY: Duration = Duration::from_secs(5);

/// Watches until `shutdown`; what has no seal outside by then gets one at the end.
pub(crate) async fn run(sharing: &Sharing, shutdown: &Shutdown) -> Result<(), SharingError> {
    let config = &sharing.config().audit;
    let webhooks = &sharing.config().webhooks;
    let sender = Sender::new(webhooks.timeout(), webhooks.private)?;
    let check_every = Duration::from_secs(u64::from(config.check_every_min) * 60);
    let mut checked: Option<Instant> = None;
    let mut sealing = Sealing::new(config);
    loop {
        let stopping = shutdown.is_stopping();
        if checked.is_none_or(|checked| checked.elapsed() >= check_every) && !stopping {
            let done = sharing.blocking(|inner| Ok(inner.check_audit(Timestamp::now())?)).await;
            report(&sharing.inner, done.map(drop), "the audit log could not be checked, trying again");
            checked = Some(Instant::now());
        }
        if sealing.is_on() {
            let (mut next, sender) = (sealing.clone(), sender.clone());
            let done = sharing
                .blocking(move |inner| {
                    let found = next.seal_if_due(inner, &sender, stopping);
                    Ok((next, found))
                })
                .await;
            let found = done.map(|(next, found)| {
                sealing = next;
                found
            });
            report(
                &sharing.inner,
                found.and_then(|found| found),
                "the seal of the audit log could not be written outside, trying again",
            );
        }
        if stopping {
            return Ok(());
        }
        tokio::select! {
            () = shutdown.stopping() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn report(inner: &Inner, done: Result<(), SharingError>, what: &str) {
    if let Err(error) = done {
        inner.metrics.errors.with_label_values(&["audit"]).inc();
        tracing::error!(%error, "{what}");
    }
}

impl Inner {
    /// Checks the log, the contents that it covers and the seals kept outside, and shows the result on the metrics. Whether all is well.
    pub(crate) fn check_audit(&self, now: Timestamp) -> Result<bool, StoreError> {
        let found = self.store.verify_audit_with(None, &kept(seal_file(&self.config.audit).as_deref())?)?;
        self.metrics.audit_checked.set(now.as_second());
        self.metrics.audit_broken.set(i64::from(found.is_err()));
        match &found {
            Ok((entries, _)) => self.metrics.audit_entries.set(*entries),
            Err(broken) => tracing::error!(%broken, "the audit log does not verify"),
        }
        Ok(found.is_ok())
    }
}

fn seal_file(config: &Audit) -> Option<PathBuf> {
    (!config.seal_file.is_empty()).then(|| PathBuf::from(&config.seal_file))
}

/// When seals are written where.
#[derive(Debug, Clone)]
struct Sealing {
    file: Option<PathBuf>,
    webhook: Option<String>,
    every_entries: i64,
    every: Duration,
    /// Position of the last entry whose seal was written, and when.
    last: Option<(i64, Instant)>,
}

impl Sealing {
    fn new(config: &Audit) -> Self {
        Self {
            file: seal_file(config),
            webhook: (!config.seal_webhook.is_empty()).then(|| config.seal_webhook.clone()),
            every_entries: config.seal_every_entries.into(),
            every: Duration::from_secs(u64::from(config.seal_every_min) * 60),
            last: None,
        }
    }

    fn is_on(&self) -> bool {
        self.file.is_some() || self.webhook.is_some()
    }

    /// Writes the last seal where there are enough new entries or enough time has gone by, at the start and at the end.
    fn seal_if_due(&mut self, inner: &Inner, sender: &Sender, ending: bool) -> Result<(), SharingError> {
        let (entry, seal) = inner.store.audit_end()?;
        let due = match self.last {
            None => entry > 0,
            Some((last, at)) => {
                entry > last && (ending || entry - last >= self.every_entries || at.elapsed() >= self.every)
            }
        };
        if !due {
            return Ok(());
        }
        // A log that was changed must not get a new seal that makes it look right.
        if !inner.check_audit(Timestamp::now())? {
            return Err(SharingError::Refused("the audit log does not verify, and gets no new seal".to_owned()));
        }
        let kept = Seal { at: Timestamp::now(), entry, seal };
        if let Some(file) = &self.file {
            write(file, &kept)?;
        }
        if let Some(url) = &self.webhook {
            let body =
                json!({"type": "audit.sealed", "timestamp": kept.at, "data": {"entry": kept.entry, "seal": kept.seal}});
            let answer = sender.post(url, &[], body.to_string().as_bytes());
            let answer = answer.map_err(|why| SharingError::Refused(format!("sharing.audit.seal_webhook: {why}")))?;
            if !(200..300).contains(&answer.status) {
                return Err(SharingError::Refused(format!(
                    "sharing.audit.seal_webhook answered {}: {}",
                    answer.status, answer.text
                )));
            }
        }
        self.last = Some((entry, Instant::now()));
        inner.metrics.audit_sealed.set(entry);
        Ok(())
    }
}

fn write(file: &Path, seal: &Seal) -> Result<(), SharingError> {
    seals::append(file, seal).map_err(|error| {
        SharingError::Refused(format!("sharing.audit.seal_file: {} cannot be written: {error}", file.display()))
    })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
    };

    use casework::{Reviewers, policy::Partner};
    use presentation::fixtures;

    use super::*;
    use crate::{
        config::Config,
        store::database::tests::{Place, on_both_databases},
    };

    on_both_databases!(async fn what_is_changed_in_the_database_is_noticed, what_is_cut_off_the_end_is_noticed_by_the_kept_seal);

    /// A service that has shared a case with a partner that has a key.
    async fn shared(folder: &Path, place: &str, change: impl FnOnce(&mut Audit)) -> Sharing {
        let partner = Partner { name: "birds".to_owned(), platform: "twitter".to_owned(), ..Partner::default() };
        let mut config = Config {
            database: place.to_owned(),
            reviewers: Reviewers::Demo,
            invented_recipients: true,
            partners: vec![partner],
            ..Config::default()
        };
        config.webhooks.private = true;
        config.audit.seal_file = folder.join("seals").display().to_string();
        change(&mut config.audit);
        let sharing = Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap();
        sharing.on_clusters(vec![fixtures::cluster("a", 1), fixtures::cluster("b", 1)]).await.unwrap();
        sharing.issue_key("birds").await.unwrap();
        sharing
    }

    async fn what_is_changed_in_the_database_is_noticed((folder, place): Place) {
        let sharing = shared(folder.path(), &place, |_| ()).await;
        let check = || sharing.inner.check_audit(Timestamp::now()).unwrap();
        let broken = || sharing.inner.metrics.audit_broken.get();
        assert!(check() && broken() == 0 && sharing.inner.metrics.audit_entries.get() > 4);
        for (change, back, said) in [
            ("update cases set state = 'closed' where cluster_id = 'a'", "update cases set state = 'released' where cluster_id = 'a'", "case "),
            (
                "update cases set cluster = replace(cluster, 'twitter', 'twittex') where cluster_id = 'b'",
                "update cases set cluster = replace(cluster, 'twittex', 'twitter') where cluster_id = 'b'",
                "case ",
            ),
            (
                "update objects set body = replace(body, 'indicator', 'indicatox')",
                "update objects set body = replace(body, 'indicatox', 'indicator')",
                "shared with birds",
            ),
            ("update api_keys set expires_at = 1", "update api_keys set expires_at = null", "API keys"),
            (
                "insert into api_keys (key_id, partner, hash, created_at) select 'k', name, pseudonym_key, 1 from partners",
                "delete from api_keys where key_id = 'k'",
                "API keys",
            ),
            (
                "insert into objects (number, collection, date_added, id, type, spec_version, version, is_first, is_last, body)
                 select 999999, collection, 1, 'x', 'x', '2.1', 1, 1, 1, '{}' from partners",
                "delete from objects where number = 999999",
                "shared with birds",
            ),
            (
                "insert into objects (number, collection, date_added, id, type, spec_version, version, is_first, is_last, body)
                 select 999999, collection, 9000000000000000, 'x', 'x', '2.1', 1, 1, 1, '{}' from partners",
                "delete from objects where number = 999999",
                "no entry tells of",
            ),
        ] {
            sharing.inner.store.on_everything(change);
            let found = sharing.inner.store.verify_audit(None).unwrap().unwrap_err().to_string();
            assert!(found.contains(said), "{change}: {found}");
            assert!(!check() && broken() == 1, "{change}");
            sharing.inner.store.on_everything(back);
            assert!(check() && broken() == 0, "{back}: {:?}", sharing.inner.store.verify_audit(None));
        }
        // The service itself goes on, and all is covered again.
        sharing.on_clusters(vec![fixtures::cluster("a", 2)]).await.unwrap();
        sharing.issue_key("birds").await.unwrap();
        assert!(check());
    }

    async fn what_is_cut_off_the_end_is_noticed_by_the_kept_seal((folder, place): Place) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/seals", listener.local_addr().unwrap());
        let posted = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            // The body is one JSON object, with another one in it.
            let whole = |request: &[u8]| {
                let open = request.iter().filter(|&&byte| byte == b'{').count();
                open > 0 && open == request.iter().filter(|&&byte| byte == b'}').count()
            };
            while !whole(&request) {
                let mut part = [0; 4096];
                let n = stream.read(&mut part).unwrap();
                request.extend_from_slice(&part[..n]);
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            String::from_utf8(request).unwrap()
        });
        let sharing = shared(folder.path(), &place, |audit| audit.seal_webhook = url).await;
        let sender = Sender::new(Duration::from_secs(5), true).unwrap();
        let mut sealing = Sealing::new(&sharing.config().audit);
        let (sealing_now, end) = sharing
            .blocking(move |inner| {
                sealing.seal_if_due(inner, &sender, false)?;
                let end = inner.store.audit_end()?;
                // Nothing is new, so nothing is due; the listener is gone, so another post would fail.
                sealing.seal_if_due(inner, &sender, true)?;
                Ok((sealing, end))
            })
            .await
            .unwrap();
        assert_eq!(sealing_now.last.map(|(entry, _)| entry), Some(end.0));
        let body = posted.join().unwrap();
        assert!(body.contains("audit.sealed") && body.contains(&end.1), "{body}");
        let file = folder.path().join("seals");
        assert_eq!(seals::read(&file).unwrap(), [end.clone()].into());
        assert!(sharing.inner.check_audit(Timestamp::now()).unwrap());

        // The last entry, which issued a key, is cut off together with the key.
        let store = &sharing.inner.store;
        store.without_protection_of_the_log();
        store.on_everything(&format!("delete from audit where seq = {}", end.0));
        store.on_everything("delete from api_keys");
        assert!(store.verify_audit(None).unwrap().is_ok(), "which nothing but the seal outside shows");
        let found = store.verify_audit_with(None, &kept(Some(&file)).unwrap()).unwrap().unwrap_err().to_string();
        assert!(found.contains("cut off at the end") && found.contains(&end.0.to_string()), "{found}");
        assert!(!sharing.inner.check_audit(Timestamp::now()).unwrap());
    }
}
