//! A cluster without an account.

use crate::cluster::{ClusterMessage, Window, rounded_nats};

use super::Erasure;

impl Erasure {
    /// The cluster without the account, in its parts and in its texts; `None` if the account is not in it. The
    /// gains of the account's posts are counted as not listed, so that all sums stay true.
    ///
    /// # Errors
    /// The rest cannot be written as a cluster, which would be an error of this program.
    pub fn in_cluster(&self, cluster: &ClusterMessage) -> Result<Option<ClusterMessage>, serde_json::Error> {
        let mut rest = cluster.clone();
        let changed = self.take_account(&mut rest) | self.take_posts(&mut rest);
        let mut value = serde_json::to_value(&rest)?;
        // Positions are not part of the written form on topics, but of the stored one.
        let renamed = self.in_json(&mut value);
        if renamed {
            rest = serde_json::from_value(value)?;
        }
        Ok((changed || renamed).then_some(rest))
    }

    /// Takes the account and its ties out of the members.
    fn take_account(&self, cluster: &mut ClusterMessage) -> bool {
        let mut places = Vec::with_capacity(cluster.accounts.len());
        let mut kept = 0;
        for account in &cluster.accounts {
            let stays = !self.is_account(&account.platform, &account.account_id);
            places.push(stays.then_some(kept));
            kept += usize::from(stays);
        }
        if kept == cluster.accounts.len() {
            return false;
        }
        cluster.accounts.retain(|account| !self.is_account(&account.platform, &account.account_id));
        let before = cluster.ties.len();
        let place = |place: usize| places.get(place).copied().flatten();
        cluster.ties.retain_mut(|tie| match (place(tie.a), place(tie.b)) {
            (Some(a), Some(b)) => {
                (tie.a, tie.b) = (a, b);
                true
            }
            _ => false,
        });
        cluster.unlisted.ties += (before - cluster.ties.len()) as u64;
        true
    }

    /// Takes the account's posts out of the evidence.
    fn take_posts(&self, cluster: &mut ClusterMessage) -> bool {
        let best = cluster.best_window();
        let ClusterMessage { evidence, unlisted, windows, .. } = cluster;
        let in_window = |windows: &[Window], window: usize| window < windows.len();
        let mut changed = false;
        for key in evidence.iter_mut() {
            key.posts.retain(|post| {
                if !self.is_account(&post.platform, &post.account_id) {
                    return true;
                }
                changed = true;
                for gain in post.gains.iter().filter(|gain| in_window(windows, gain.window)) {
                    if let (Some(of_key), Some(of_rest)) =
                        (key.by_window.get_mut(gain.window), unlisted.nats.get_mut(gain.window))
                    {
                        *of_key = rounded_nats(*of_key - gain.nats());
                        *of_rest = rounded_nats(*of_rest + gain.nats());
                    }
                }
                match post.gains.is_empty() {
                    true => unlisted.posts += 1,
                    false => unlisted.trials += 1,
                }
                false
            });
            // Messages of version 1 have no windows: there the key keeps its sum.
            if let Some(nats) = key.by_window.get(best).filter(|_| !windows.is_empty()) {
                key.nats = *nats;
            }
        }
        evidence.retain(|key| !key.posts.is_empty());
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Shape, coordinated, verdict};

    #[test]
    fn a_cluster_loses_the_account_and_its_sums_stay_true() {
        let cluster =
            ClusterMessage::new(&coordinated(Shape::default(), false), Some(&verdict(false)), vec![], vec![]).unwrap();
        let victim = cluster.accounts[1].clone();
        let mut erasure = Erasure::new(&victim.platform, &victim.account_id, "erased-0");
        erasure.add_name(&victim.account_name);
        let rest = erasure.in_cluster(&cluster).unwrap().unwrap();
        assert_eq!(rest.accounts.len(), cluster.accounts.len() - 1);
        let text = String::from_utf8(rest.encode().unwrap()).unwrap();
        assert_eq!(erasure.in_text(&text), None, "{text}");
        assert!(rest.unlisted.trials > cluster.unlisted.trials && !rest.ties.is_empty());
        let named = |message: &ClusterMessage, tie: usize| {
            let tie = &message.ties[tie];
            (message.accounts[tie.a].account_id.clone(), message.accounts[tie.b].account_id.clone())
        };
        let kept: Vec<_> = (0..cluster.ties.len())
            .map(|tie| named(&cluster, tie))
            .filter(|(a, b)| *a != victim.account_id && *b != victim.account_id)
            .collect();
        assert_eq!((0..rest.ties.len()).map(|tie| named(&rest, tie)).collect::<Vec<_>>(), kept);
        for (n, window) in rest.windows.iter().enumerate() {
            let sum: f64 = rest.evidence.iter().map(|key| key.by_window[n]).sum::<f64>() + rest.unlisted.nats[n];
            assert!((window.losses + sum - window.nats).abs() < 1e-6, "window {n}");
        }
        for key in &rest.evidence {
            let gains = key.posts.iter().flat_map(|post| &post.gains).filter(|gain| gain.window == 0);
            assert!((gains.map(|gain| gain.nats()).sum::<f64>() - key.by_window[0]).abs() < 1e-6, "{}", key.key);
        }
        assert_eq!(erasure.in_cluster(&rest).unwrap(), None);
    }
}
