//! A model as the engine's judge.

use std::sync::Arc;

use coordination::{Cluster, Judge};

use crate::{Model, Subject};

/// Calls a group inauthentic if its model of clusters does: at or above the model's threshold.
///
/// The engine asks it about every group that passed, before groups are merged, and flags by its
/// answer. A model of accounts cannot judge clusters and calls nobody inauthentic; [`Model::of`]
/// refuses it beforehand, with the reason.
///
/// ```
/// # fn put_in_service(engine: &mut coordination::Engine, model: scoring::Model) -> Result<(), scoring::ModelError> {
/// let model = std::sync::Arc::new(model.of(scoring::Subject::Cluster)?);
/// engine.set_judge(Box::new(scoring::ModelJudge(model)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ModelJudge(pub Arc<Model>);

impl Judge for ModelJudge {
    fn inauthentic(&self, cluster: &Cluster) -> bool {
        self.0.subject() == Subject::Cluster && self.0.verdict(cluster).inauthentic
    }
}

#[cfg(test)]
mod tests {
    use coordination::{Engine, Params};

    use super::*;
    use crate::sample::{account_rows, cluster, rows};
    use crate::{Options, train};

    #[test]
    fn it_says_what_the_verdict_says_whatever_was_merged_into_a_cluster() {
        let model =
            Arc::new(train(&rows(0.1), &Options { precision: 0.8, ..Options::new("cluster", "1") }).unwrap().model);
        let judge = ModelJudge(model.clone());
        let mut found = [0, 0];
        for seed in 0..60 {
            let group = cluster(seed % 2 == 0, 0.1, 9_000 + seed);
            let verdict = model.verdict(&group);
            assert_eq!(judge.inauthentic(&group), verdict.inauthentic);
            found[usize::from(verdict.inauthentic)] += 1;
            let mut merged = group.clone();
            merged.members.extend(cluster(true, 0.0, 1).members.into_iter().map(|mut member| {
                member.elsewhere = true;
                member
            }));
            assert_eq!(model.verdict(&merged), verdict);
        }
        assert!(found.iter().all(|found| *found > 10), "{found:?}");
    }

    #[test]
    fn a_model_of_accounts_flags_no_group() {
        // With this prior it calls most accounts inauthentic, also those without known features.
        let options = Options { subject: Subject::Account, prior: Some(0.999), ..Options::new("account", "1") };
        let model = train(&account_rows(), &options).unwrap().model;
        let group = cluster(true, 0.0, 1);
        assert!(model.verdict(&group).inauthentic, "the test would prove nothing");
        assert!(!ModelJudge(Arc::new(model)).inauthentic(&group));
    }

    #[test]
    fn the_engine_takes_it() {
        let model = train(&rows(0.3), &Options::new("cluster", "1")).unwrap().model;
        let mut engine = Engine::new(Params::default()).unwrap();
        engine.set_judge(Box::new(ModelJudge(Arc::new(model))));
    }
}
