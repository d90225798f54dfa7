//! Reads one topic and writes another, each record exactly once.
//!
//! `cargo build --workspace --examples && target/debug/examples/transform_topic`
//!
//! It runs on the embedded log in a temporary folder. On Apache Kafka only the first line differs:
//! `Log::connect_kafka`.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::{error::Error, time::Duration};

use futures::TryStreamExt;
use runtime::{Cleanup, Log, NewRecord, TopicSpec};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let log = Log::open_embedded(folder.path()).await?;
    let topic = |name| TopicSpec { name, partitions: 2, cleanup: Cleanup::Delete, retention: None };
    log.create_topics(&[topic("words"), topic("shouted")]).await?;
    let words = ["one", "two", "three", "four"];
    log.append(words.map(|word| NewRecord::new("words", word, word)).to_vec()).await?;

    let mut consumer = log.consumer("shouting", &["words"]).await?;
    let mut first = true;
    let mut done = 0;
    while done < words.len() {
        let records = consumer.poll(10, Duration::from_millis(250)).await?;
        let outputs: Vec<NewRecord> = records
            .iter()
            .filter_map(|record| {
                let word = String::from_utf8_lossy(record.value.as_deref()?).to_uppercase();
                Some(NewRecord::new("shouted", record.key.clone(), word))
            })
            .collect();
        if std::mem::take(&mut first) {
            // As after a failure: nothing was published or committed, so the same records come
            // again.
            consumer.rewind().await?;
            continue;
        }
        done += records.len();
        // Outputs and offsets become visible together, or not at all.
        consumer.publish_and_commit(outputs).await?;
    }
    consumer.close().await?;

    let shouted: Vec<_> = log.read_all("shouted", &[]).await?.try_collect().await?;
    for record in &shouted {
        let value = record.value.as_deref().unwrap_or_default();
        println!("partition {} offset {}: {}", record.partition, record.offset, String::from_utf8_lossy(value));
    }
    assert_eq!(shouted.len(), words.len(), "each record was written once");
    log.shutdown().await?;
    Ok(())
}
