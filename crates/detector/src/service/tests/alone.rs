//! One process detects at a time, and never with a part of the posts.

use super::*;

const LACKING: &str = "lockstep_detector_partitions_lacking";
const STANDBY: &str = "lockstep_detector_standby";

impl Running {
    fn posts(&self) -> f64 {
        let of = |outcome| self.metric(&format!(r#"lockstep_posts_total{{outcome="{outcome}"}}"#));
        ["accepted", "late", "too_late", "duplicate", "dead_letter"].map(of).iter().sum()
    }

    async fn until_ready(&self) {
        self.until("it is ready", |running| running.readiness.is_ready()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_part_of_the_partitions_it_says_so_and_publishes_nothing() {
    let stand = Stand::new().await;
    let (first, rest) = stand.posts.split_at(stand.posts.len() * 9 / 10);
    let running = stand.start();
    running.until_ready().await;
    stand.log.append(first.to_vec()).await.unwrap();
    running.until_read(first.len()).await;
    running
        .until("all is committed", |running| running.metric("lockstep_consumer_lag_records{group=\"detector\"}") == 0.0)
        .await;
    let published = stand.read(CLUSTERS).await.len();
    assert!(published > 0);

    // Somebody else takes partitions, as a detector of an earlier version would.
    let intruder = stand.log.consumer(GROUP, &[POSTS]).await.unwrap();
    running.until("it lacks partitions", |running| running.metric(LACKING) == 2.0).await;
    assert!(!running.readiness.is_ready());
    stand.log.append(rest.to_vec()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(running.posts(), first.len() as f64, "a part of the posts is not read");
    assert_eq!(stand.read(CLUSTERS).await.len(), published, "nothing is published");

    intruder.close().await.unwrap();
    running.until_ready().await;
    assert_eq!((running.metric(LACKING), running.metric(STANDBY)), (0.0, 0.0));
    running.until_read(stand.posts.len()).await;
    let metrics = running.finish().await.text();
    assert!(metrics.contains("lockstep_posts_total{outcome=\"duplicate\"} 0\n"), "it went on where it was\n{metrics}");
    assert_eq!(stand.check().await, ["1".to_owned()].into());
    assert!(stand.read(CLUSTERS).await.len() > published);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_another_member_committed_it_restores_what_was_committed() {
    let stand = Stand::new().await;
    let (first, rest) = stand.posts.split_at(stand.posts.len() / 2);
    let running = stand.start();
    running.until_ready().await;
    stand.log.append(first.to_vec()).await.unwrap();
    running.until_read(first.len()).await;
    let mut intruder = stand.log.consumer(GROUP, &[POSTS]).await.unwrap();
    running.until("it lacks partitions", |running| running.metric(LACKING) == 2.0).await;
    stand.log.append(rest.to_vec()).await.unwrap();
    let taken = intruder.poll(300, Duration::from_secs(10)).await.unwrap();
    assert!(!taken.is_empty());
    intruder.publish_and_commit(Vec::new()).await.unwrap();
    intruder.close().await.unwrap();
    running.until_ready().await;
    let restored = |running: &Running| {
        let from = |from| running.metric(&format!(r#"lockstep_restore_seconds{{from="{from}"}}"#));
        from("checkpoint") + from("log") > 0.0
    };
    running.until("the last commit is restored", restored).await;
    running.until_read(stand.posts.len() - taken.len()).await;
    running.finish().await;
    assert_eq!(stand.check().await, ["1".to_owned()].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_detector_waits_and_goes_on_when_the_first_has_ended() {
    let still = Stand::new().await;
    let running = still.start();
    still.log.append(still.posts.clone()).await.unwrap();
    running.until_read(still.posts.len()).await;
    running.finish().await;
    let expected = still.states(CLUSTERS).await;

    let mut stand = Stand::new().await;
    let first = stand.start();
    first.until_ready().await;
    stand.config.checkpoints = stand.dir.path().join("checkpoints-of-another-machine");
    let second = stand.start();
    second.until("it is a standby", |running| running.metric(STANDBY) == 1.0).await;
    assert!(!second.readiness.is_ready());
    let (before, after) = stand.posts.split_at(stand.posts.len() * 2 / 3);
    stand.log.append(before.to_vec()).await.unwrap();
    first.until_read(before.len()).await;
    assert_eq!(second.posts(), 0.0, "it takes nothing");
    first.stop().await;
    second.until_ready().await;
    assert_eq!((second.metric(LACKING), second.metric(STANDBY)), (0.0, 0.0));
    stand.log.append(after.to_vec()).await.unwrap();
    second.until_read(after.len()).await;
    second.finish().await;
    let found = stand.states(CLUSTERS).await;
    assert_eq!(last(&found), last(&expected), "the same clusters, as large");
    stand.check().await;
}
