//! The settings of the clients.

use rdkafka::ClientConfig;

use super::MAX_MESSAGE_BYTES;
use crate::log::LogError;

/// Checks one property at a time, so that the error names the wrong one.
pub(in crate::log) fn check_properties(properties: &[(String, String)]) -> Result<(), LogError> {
    for (name, value) in properties {
        if !cfg!(feature = "kafka-tls") && needs_tls(name, value) {
            return Err(LogError::NoTls { property: format!("{name} = {value:?}") });
        }
        let mut config = ClientConfig::new();
        config.set(name, value);
        config.create_native_config().map_err(LogError::kafka(format!("use the property {name:?}")))?;
    }
    Ok(())
}

/// Whether librdkafka takes this only if it was built with OpenSSL.
fn needs_tls(name: &str, value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    match name {
        "security.protocol" => value.ends_with("ssl"),
        "sasl.mechanism" | "sasl.mechanisms" => value.starts_with("scram") || value == "oauthbearer",
        // Values of these are secrets or paths: the protocol decides.
        _ => false,
    }
}

pub(super) fn client_config(brokers: &str, properties: &[(String, String)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("client.id", "lockstep")
        .set("topic.metadata.refresh.interval.ms", "30000")
        .set("allow.auto.create.topics", "false");
    for (key, value) in properties.iter().filter(|(key, _)| key != "transactional.id") {
        config.set(key, value);
    }
    config
}

/// Settings that the guarantees of the log need override the configured properties; the others are
/// defaults.
pub(super) fn producer_settings(config: &mut ClientConfig) {
    // A property of consumers only.
    config.remove("group.instance.id");
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("partitioner", "murmur2_random")
        .set("message.max.bytes", MAX_MESSAGE_BYTES.to_string());
    set_default(config, "compression.type", "zstd");
    set_default(config, "linger.ms", "5");
}

pub(super) fn consumer_settings(config: &mut ClientConfig) {
    config
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest");
    // For low latency: fetch again soon after an empty answer.
    set_default(config, "fetch.wait.max.ms", "20");
    set_default(config, "fetch.error.backoff.ms", "50");
    set_default(config, "session.timeout.ms", "15000");
}

pub(super) fn set_default(config: &mut ClientConfig, key: &str, value: &str) {
    if config.get(key).is_none() {
        config.set(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str) -> Result<(), String> {
        check_properties(&[(name.to_owned(), value.to_owned())]).map_err(|error| error.to_string())
    }

    #[test]
    fn tls_is_taken_by_builds_that_have_it_and_others_say_how_to_build_it() {
        assert_eq!((check("security.protocol", "PLAINTEXT"), check("sasl.mechanism", "PLAIN")), (Ok(()), Ok(())));
        for (name, value) in
            [("security.protocol", "SSL"), ("security.protocol", "sasl_ssl"), ("sasl.mechanism", "SCRAM-SHA-512")]
        {
            let refused = check(name, value).err();
            assert_eq!(refused.is_none(), cfg!(feature = "kafka-tls"), "{name} = {value}");
            if let Some(error) = refused {
                assert!(error.contains("--features kafka-tls") && error.contains(value), "{error}");
            }
        }
        assert!(check("no.such.property", "1").unwrap_err().contains("no.such.property"));
    }
}
