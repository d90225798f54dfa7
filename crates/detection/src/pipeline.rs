//! From a post to clusters with their verdicts: engine, lexicon and model in sequence. No I/O.
//!
//! The engine asks the model which of the groups that passed its test are inauthentic, before it
//! merges them. The verdict on a cluster (reasons and numbers) is computed here from the same
//! features. Both come from the same model, because a model is put in service only while no cluster
//! waits for [`Pipeline::take`].

use std::sync::Arc;

use coordination::{
    AccountEvidence, Cluster, Engine, Finding, Millis, Object, Outcome, Post, ReadPost, Reader, SnapshotError, Stats,
    Tie,
};
use messages::cluster::{ClusterError, ClusterMessage, positions::Positions};
use scoring::{Model, ModelJudge, Verdict, features};

use crate::{
    config::{Config, StartError},
    lexicon::{self, Lexicon, Subjects},
};

/// The engine with what describes and judges its clusters.
pub struct Pipeline {
    engine: Engine,
    /// The model that the engine uses as its judge.
    model: Arc<Model>,
    /// A second model that judges the same clusters; [`judge`](Self::judge) returns its verdicts.
    shadow: Option<Model>,
    lexicon: Arc<Lexicon>,
    subjects: Subjects,
    found: Vec<Cluster>,
}

/// A cluster's message, with the data it was made from.
pub struct Judged {
    /// The message.
    pub message: ClusterMessage,
    /// Positions of its posts on the log.
    pub positions: Positions,
    /// Clusters that have just become part of it.
    pub absorbed: Vec<String>,
    /// Set if the cluster is coordinated; the model is not used for other clusters.
    pub judgement: Option<Judgement>,
}

/// The judgement of a coordinated cluster.
pub struct Judgement {
    /// The cluster's features, in the order of [`features::FEATURES`].
    pub values: Vec<Option<f64>>,
    /// The active model's probability.
    pub probability: f64,
    /// The shadow model's verdict on the same values.
    pub shadow: Option<Verdict>,
}

/// Why a pipeline's state cannot be written as bytes or restored.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The engine's part of it.
    #[error(transparent)]
    Engine(#[from] SnapshotError),
    /// The bytes are damaged, or are not a pipeline's state.
    #[error("the state cannot be {0}")]
    Bytes(&'static str),
    /// Subjects are stored as numbers, which have other meanings in another lexicon.
    #[error("it was taken with another lexicon")]
    Lexicon,
}

/// Reads posts: their traces and their subjects.
#[derive(Clone)]
pub struct Reading {
    reader: Reader,
    lexicon: Arc<Lexicon>,
}

/// A post that has been read.
pub struct Read {
    post: ReadPost,
    /// The post's name and its subjects; `None` if it has no subject.
    subjects: Option<(u64, u64)>,
}

impl Reading {
    /// Reads one post.
    pub fn read(&self, post: &Post<'_>) -> Read {
        let subjects = self.lexicon.read(&post.text);
        let subjects = (subjects != 0).then(|| (lexicon::name(&post.platform, &post.id), subjects));
        Read { post: self.reader.read(post), subjects }
    }
}

impl Pipeline {
    /// A new, empty pipeline.
    pub fn new(config: &Config) -> Result<Pipeline, StartError> {
        let mut engine = config.engine()?;
        let model = Arc::new(config.model()?);
        engine.set_judge(Box::new(ModelJudge(model.clone())));
        Ok(Pipeline {
            engine,
            model,
            shadow: None,
            lexicon: Arc::new(config.lexicon()?),
            subjects: Subjects::default(),
            found: Vec::new(),
        })
    }

    /// The part that reads posts for [`read`](Self::read), on any thread. Reading is most of a
    /// post's cost.
    pub fn reading(&self) -> Reading {
        Reading { reader: self.engine.reader(), lexicon: self.lexicon.clone() }
    }

    /// Processes a post; `now` is the current event time of the stream. Clusters wait for
    /// [`take`](Self::take).
    pub fn post(&mut self, now: Millis, post: &Post<'_>) -> Outcome {
        let read = self.reading().read(post);
        self.read(now, read)
    }

    /// The same for a post of one of several streams; `own` is the newest event time of its own
    /// stream before it, by which it is judged whether the post is late.
    pub fn post_after(&mut self, now: Millis, own: Millis, post: &Post<'_>) -> Outcome {
        let read = self.reading().read(post);
        self.read_after(now, own, read)
    }

    /// The same for a post that was read elsewhere.
    pub fn read(&mut self, now: Millis, read: Read) -> Outcome {
        self.read_after(now, Millis::MIN, read)
    }

    fn read_after(&mut self, now: Millis, own: Millis, read: Read) -> Outcome {
        if let Some((post, subjects)) = read.subjects {
            self.subjects.remember(post, subjects);
        }
        self.engine.on_read_after(now, own, read.post, &mut self.found)
    }

    /// Event time has reached `now`.
    pub fn time(&mut self, now: Millis) {
        self.engine.on_time(now, &mut self.found);
    }

    /// The stream has ended.
    pub fn finish(&mut self) {
        self.engine.finish(&mut self.found);
    }

    /// The clusters found since the last call, judged and described.
    pub fn take(&mut self) -> Result<Vec<ClusterMessage>, ClusterError> {
        let found = std::mem::take(&mut self.found);
        found.iter().map(|cluster| Ok(self.message(cluster)?.0)).collect()
    }

    /// The same with the shadow model's verdicts, and with an error for each cluster that cannot
    /// become a message.
    pub fn judge(&mut self) -> Vec<Result<Judged, ClusterError>> {
        let found = std::mem::take(&mut self.found);
        let judge = |cluster: &Cluster| {
            let (mut message, verdict) = self.message(cluster)?;
            let coordinated = verdict.filter(|_| cluster.finding == Finding::Coordinated);
            let judgement = coordinated.map(|verdict| {
                let values = features::values(cluster);
                let shadow = self.shadow.as_ref().map(|shadow| shadow.verdict(cluster));
                Judgement { values, probability: verdict.probability, shadow }
            });
            let positions = message.take_positions();
            Ok(Judged { message, positions, absorbed: cluster.absorbed.clone(), judgement })
        };
        found.iter().map(judge).collect()
    }

    /// The model whose verdicts are published.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The second model.
    pub fn shadow(&self) -> Option<&Model> {
        self.shadow.as_ref()
    }

    /// Puts a model in service and returns the previous one. Call it only while no cluster waits
    /// for [`take`](Self::take): the previous model judged those.
    pub fn set_model(&mut self, model: Arc<Model>) -> Arc<Model> {
        self.engine.set_judge(Box::new(ModelJudge(model.clone())));
        std::mem::replace(&mut self.model, model)
    }

    /// Sets the second model, which judges from the next cluster on, and returns the previous one.
    pub fn set_shadow(&mut self, model: Model) -> Option<Model> {
        self.shadow.replace(model)
    }

    /// The clusters found since the last [`take`](Self::take), as the engine reports them.
    pub(crate) fn found(&self) -> &[Cluster] {
        &self.found
    }

    /// Adds a cluster as if the engine had found it, judged like the engine's own.
    #[cfg(any(test, feature = "fixtures"))]
    pub fn find(&mut self, mut cluster: Cluster) {
        let judge: &dyn coordination::Judge = &ModelJudge(self.model.clone());
        cluster.flagged = cluster.finding == Finding::Coordinated && judge.inauthentic(&cluster);
        self.found.push(cluster);
    }

    /// Forgets the clusters found since the last [`take`](Self::take).
    pub fn discard(&mut self) {
        self.found.clear();
    }

    /// From here on the engine keeps what the end of a stream reports: past ties and copies. It
    /// counts how many accounts used each object, for at most `objects` objects; none at 0.
    pub(crate) fn tell_all(&mut self, objects: usize) {
        self.engine.keep_past();
        if objects > 0 {
            self.engine.count_objects(objects);
        }
    }

    /// Objects that at least two accounts used, and the number of objects that were dropped.
    pub(crate) fn objects(&self) -> (Vec<Object>, u64) {
        self.engine.objects()
    }

    /// The engine's counts and table sizes.
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// All ties, strongest first.
    pub(crate) fn ties(&mut self) -> Vec<Tie> {
        self.engine.ties()
    }

    /// Every account, in order of platform and id.
    pub(crate) fn accounts(&mut self) -> Vec<AccountEvidence> {
        self.engine.accounts()
    }

    fn message(&self, cluster: &Cluster) -> Result<(ClusterMessage, Option<Verdict>), ClusterError> {
        let posts = cluster.evidence.iter().flat_map(|e| &e.posts);
        let posts = posts.map(|post| (post.account.platform.as_str(), post.id.as_str()));
        let (topics, targets) = self.subjects.of(&self.lexicon, posts);
        let verdict = ClusterMessage::takes_verdict(cluster).then(|| self.model.verdict(cluster));
        Ok((ClusterMessage::new(cluster, verdict.as_ref(), topics, targets)?, verdict))
    }

    /// Engine and subjects as bytes. Clusters that wait for [`take`](Self::take) are not included.
    pub fn snapshot(&self) -> Result<Vec<u8>, StateError> {
        let subjects = (self.lexicon.fingerprint(), self.subjects.kept());
        let subjects = postcard::to_allocvec(&subjects).map_err(|_| StateError::Bytes("written"))?;
        Ok([subjects, self.engine.snapshot()?].concat())
    }

    /// Restores a snapshot. After an error the pipeline is unchanged.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), StateError> {
        let unreadable = |_| StateError::Bytes("read");
        let ((lexicon, subjects), engine) =
            postcard::take_from_bytes::<(u64, Vec<(u64, u64)>)>(snapshot).map_err(unreadable)?;
        if lexicon != self.lexicon.fingerprint() {
            return Err(StateError::Lexicon);
        }
        self.engine.restore(engine)?;
        self.subjects = Subjects::again(subjects);
        self.found.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use messages::{cluster::Status, fixtures};

    use super::*;
    use crate::fixtures::put_model;

    fn pipeline() -> (Pipeline, [Arc<Model>; 2]) {
        let dir = tempfile::tempdir().unwrap();
        let models = dir.path().join("models");
        put_model(&models, "1", true);
        put_model(&models, "2", false);
        let registry = scoring::Registry::open(&models).unwrap();
        let load = |version: &str| Arc::new(registry.load("cluster", version).unwrap());
        let both = ["1", "2"].map(load);
        let pipeline = Pipeline::new(&Config { models, model: "cluster/1".to_owned(), ..Config::default() }).unwrap();
        (pipeline, both)
    }

    #[test]
    fn a_verdict_is_told_of_all_but_near_misses_and_one_text_and_follows_the_model_in_service() {
        let (mut pipeline, [flags_all, flags_none]) = pipeline();
        let shape = fixtures::Shape::default();
        let all = || {
            let faded = Cluster { finding: Finding::Faded, ..fixtures::plain(shape) };
            let coordinated = fixtures::plain(shape);
            [coordinated, fixtures::best_source(shape), faded, fixtures::near_miss(shape), fixtures::one_text(40)]
        };
        let told = |pipeline: &mut Pipeline| -> Vec<(Status, Option<String>)> {
            all().into_iter().for_each(|cluster| pipeline.find(cluster));
            let judged = pipeline.judge().into_iter().map(Result::unwrap);
            judged
                .map(|judged| {
                    let coordinated = matches!(judged.message.status, Status::Flagged | Status::Coordinated);
                    assert_eq!(
                        judged.judgement.is_some(),
                        coordinated,
                        "drift is measured on coordinated clusters only"
                    );
                    (judged.message.status, judged.message.model.map(|model| model.version))
                })
                .collect()
        };
        let by = |status, version: &str| (status, Some(version.to_owned()));
        let rest = |version: &str| {
            [
                by(Status::SingleSource, version),
                by(Status::Faded, version),
                (Status::NearMiss, None),
                (Status::SingleSource, None),
            ]
        };
        assert_eq!(told(&mut pipeline), [&[by(Status::Flagged, "1")][..], &rest("1")].concat());
        assert_eq!(pipeline.set_model(flags_none).full_name(), flags_all.full_name());
        assert_eq!(told(&mut pipeline), [&[by(Status::Coordinated, "2")][..], &rest("2")].concat());
    }

    #[test]
    fn a_cluster_that_no_message_can_be_made_of_holds_up_no_other() {
        let (mut pipeline, _) = pipeline();
        let mut broken = fixtures::coordinated(fixtures::Shape::default(), false);
        broken.log_e = f64::NAN;
        pipeline.find(broken);
        pipeline.find(fixtures::one_text(30));
        let told: Vec<bool> = pipeline.judge().iter().map(Result::is_ok).collect();
        assert_eq!(told, [false, true]);
    }
}
