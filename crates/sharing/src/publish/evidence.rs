//! What of a finding's evidence a platform gets: the keys and the posts of its own accounts, by which it can check the finding.
//!
//! The feed and the page on which people approve it use the same selection, so that the page shows what is sent. A platform gets the texts
//! of these posts where its class sees posts by their ids and texts, as long as they are kept.

use std::collections::HashSet;

use messages::cluster::{ClusterMessage, Evidence, PostRef};

use super::hidden::Hidden;
use crate::kept::{KeptPost, KeptPosts};
use casework::policy::{AccountIds, Redaction};

/// Most keys of a finding that a platform gets. Weaker ones are left out, and counted.
pub(crate) const KEYS: usize = 60;
/// Most posts of a key that a platform gets. Those that gave least are left out, and counted.
pub(crate) const POSTS: usize = 50;

/// The evidence that one platform gets.
pub(crate) struct Selection<'a> {
    /// Strongest first.
    pub keys: Vec<SelectedKey<'a>>,
    /// Keys on which accounts of the platform acted, with those that are left out.
    pub keys_in_all: usize,
    /// Posts of these accounts on these keys. A post with several keys counts once for each.
    pub posts_in_all: usize,
}

/// One key, as the platform sees it.
pub(crate) struct SelectedKey<'a> {
    pub evidence: &'a Evidence,
    /// `None` where the class does not see keys, or the key names something that is hidden.
    pub key: Option<&'a str>,
    /// `None` where the class does not see sources, or the source names something that is hidden.
    pub source: Option<&'a str>,
    /// By time. Empty where the class does not see posts.
    pub posts: Vec<SelectedPost<'a>>,
    /// All posts of the platform's accounts on the key, by time.
    pub own_posts: Vec<&'a PostRef>,
}

/// One post, as the platform sees it.
#[derive(Clone, Copy)]
pub(crate) struct SelectedPost<'a> {
    pub post: &'a PostRef,
    pub text: Text<'a>,
}

/// What the platform gets of a post's text and links.
#[derive(Clone, Copy)]
pub(crate) enum Text<'a> {
    Shown(&'a KeptPost),
    /// The class does not see texts, or the text or a link names something that is hidden.
    Withheld,
    /// It was not kept when the version was approved.
    Gone,
}

impl<'a> Text<'a> {
    fn new(post: &PostRef, kept: &'a KeptPosts, hidden: &Hidden, shows: &Redaction) -> Text<'a> {
        match kept.of(post) {
            _ if !shows.keys => Text::Withheld,
            None => Text::Gone,
            Some(kept) => {
                let mut texts = std::iter::once(&kept.text).chain(&kept.links);
                if texts.any(|text| hidden.is_in(text)) { Text::Withheld } else { Text::Shown(kept) }
            }
        }
    }
}

impl<'a> Selection<'a> {
    /// The evidence of `cluster` for a platform. `before` is the version that it had: accounts that have left the group stay hidden. `kept`
    /// are the posts of which there are texts.
    pub fn new(
        cluster: &'a ClusterMessage,
        before: Option<&'a ClusterMessage>,
        platform: &str,
        shows: &Redaction,
        kept: &'a KeptPosts,
    ) -> Selection<'a> {
        let hidden = Hidden::from_platform(cluster, before, platform, shows);
        let mut selection = Selection::of_keys(cluster, platform);
        if shows.account_ids == AccountIds::None || !(shows.post_ids || shows.keys) {
            selection.keys.clear();
        }
        for key in &mut selection.keys {
            let seen = |kind, text: &'a str| (!hidden.is_in(text) && !hidden.is_elsewhere(kind, text)).then_some(text);
            key.key = seen(key.evidence.kind, &key.evidence.key).filter(|_| shows.keys);
            key.source = seen(key.evidence.source_kind, &key.evidence.source).filter(|_| shows.source_names);
            if shows.post_ids {
                let text = |post: &PostRef| Text::new(post, kept, &hidden, shows);
                let posts = strongest(&key.own_posts).into_iter();
                key.posts = posts.map(|post| SelectedPost { post, text: text(post) }).collect();
            }
        }
        selection
    }

    /// The keys that a platform gets, with nothing shown of them.
    pub fn of_keys(cluster: &'a ClusterMessage, platform: &str) -> Selection<'a> {
        let own = cluster.accounts.iter().filter(|account| account.platform == platform);
        let own: HashSet<&str> = own.map(|account| &*account.account_id).collect();
        let of_key = |evidence: &'a Evidence| {
            let posts = evidence.posts.iter();
            let own_posts: Vec<&PostRef> =
                posts.filter(|post| post.platform == platform && own.contains(&*post.account_id)).collect();
            let key = SelectedKey { evidence, key: None, source: None, posts: Vec::new(), own_posts };
            (!key.own_posts.is_empty()).then_some(key)
        };
        let mut keys: Vec<SelectedKey<'a>> = cluster.evidence.iter().filter_map(of_key).collect();
        // The message has them in this order, apart from what was merged by hand.
        keys.sort_by(|a, b| b.evidence.nats.total_cmp(&a.evidence.nats));
        let keys_in_all = keys.len();
        let posts_in_all = keys.iter().map(|key| key.own_posts.len()).sum();
        keys.truncate(KEYS);
        Selection { keys, keys_in_all, posts_in_all }
    }

    /// Posts that are shown; one with several keys counts once for each.
    pub fn posts(&self) -> usize {
        self.keys.iter().map(|key| key.posts.len()).sum()
    }

    /// Shown posts by what the platform gets of their texts: shown, withheld, gone.
    pub fn texts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for post in self.keys.iter().flat_map(|key| &key.posts) {
            counts[match post.text {
                Text::Shown(_) => 0,
                Text::Withheld => 1,
                Text::Gone => 2,
            }] += 1;
        }
        counts
    }

    /// What is shared and what is left out, in sentences.
    pub fn summary(&self) -> String {
        if self.keys.is_empty() {
            return "None of the posts and of what they have in common is in the feed.".to_owned();
        }
        let left_out = |all: usize, shown: usize, one: &str| match all - shown {
            0 => String::new(),
            left => format!(", {} left out", text_format::count(left as u64, one)),
        };
        let (posts, keys) = (self.posts(), self.keys.len());
        let texts = match self.texts() {
            [0, 0, 0] => String::new(),
            [0, _, 0] => " Texts of posts are withheld.".to_owned(),
            [0, 0, _] => " The texts of these posts are gone: none was kept when this was approved.".to_owned(),
            [shown, withheld, gone] => {
                let part = |count: usize, what: &str| match count {
                    0 => String::new(),
                    count => format!(", {} {what}", text_format::thousands(count as u64)),
                };
                let (shown, withheld, gone) =
                    (text_format::thousands(shown as u64), part(withheld, "are withheld"), part(gone, "are gone"));
                format!(" Of the texts of these posts {shown} are in the feed{withheld}{gone}.")
            }
        };
        format!(
            "{}{} and {}{} are in the feed, the strongest first; a post counts once for each key.{texts}",
            text_format::count(keys as u64, "key"),
            left_out(self.keys_in_all, keys, "weaker key"),
            text_format::count(posts as u64, "post"),
            left_out(self.posts_in_all, posts, "post"),
        )
    }
}

/// The posts that gave most, by time.
fn strongest<'a>(posts: &[&'a PostRef]) -> Vec<&'a PostRef> {
    let nats = |post: &PostRef| post.gains.iter().map(|gain| gain.nats()).fold(0.0, f64::max);
    let mut chosen: Vec<(usize, &PostRef)> = posts.iter().copied().enumerate().collect();
    chosen.sort_by(|(_, a), (_, b)| nats(b).total_cmp(&nats(a)));
    chosen.truncate(POSTS);
    chosen.sort_by_key(|(place, _)| *place);
    chosen.into_iter().map(|(_, post)| post).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use casework::{
        Tlp,
        policy::{Class, Rules},
    };
    use presentation::fixtures;

    fn shows() -> Redaction {
        Rules::with_marking(Tlp::Amber).class(Class::Platform).shows
    }

    #[test]
    fn the_strongest_keys_and_posts_are_taken_and_the_rest_is_counted() {
        let cluster = fixtures::sized("c", 1, 120, 70);
        let selection = Selection::new(&cluster, None, "twitter", &shows(), KeptPosts::NONE);
        assert_eq!((selection.keys.len(), selection.keys_in_all), (KEYS, 70));
        let weakest = selection.keys.iter().map(|key| key.evidence.nats).fold(f64::INFINITY, f64::min);
        let shown: HashSet<&str> = selection.keys.iter().map(|key| &*key.evidence.key).collect();
        for evidence in cluster.evidence.iter().filter(|evidence| !shown.contains(&*evidence.key)) {
            assert!(evidence.nats <= weakest);
        }
        assert!(selection.keys.iter().any(|key| key.own_posts.len() > POSTS && key.posts.len() == POSTS));
        for key in &selection.keys {
            assert!(key.posts.windows(2).all(|two| two[0].post.created_at <= two[1].post.created_at));
            assert!(key.own_posts.iter().all(|post| post.platform == "twitter"));
        }
        let left_out =
            format!("{} left out", text_format::count((selection.posts_in_all - selection.posts()) as u64, "post"));
        let summary = selection.summary();
        assert!(summary.contains("60 keys, 10 weaker keys left out") && summary.contains(&left_out), "{summary}");
    }

    #[test]
    fn each_switch_of_the_class_takes_its_part_away() {
        let cluster = fixtures::cluster("c", 1);
        let all = Selection::new(&cluster, None, "twitter", &shows(), KeptPosts::NONE);
        assert!(all.keys.iter().all(|key| key.key.is_some() && key.source.is_some() && !key.posts.is_empty()));
        let part = |shows| Selection::new(&cluster, None, "twitter", &shows, KeptPosts::NONE);
        assert!(part(Redaction { keys: false, ..shows() }).keys.iter().all(|k| k.key.is_none() && !k.posts.is_empty()));
        assert!(
            part(Redaction { post_ids: false, ..shows() }).keys.iter().all(|k| k.key.is_some() && k.posts.is_empty())
        );
        assert!(part(Redaction { source_names: false, ..shows() }).keys.iter().all(|k| k.source.is_none()));
        assert!(part(Redaction { keys: false, post_ids: false, ..shows() }).keys.is_empty());
        assert!(part(Redaction { account_ids: AccountIds::None, ..shows() }).keys.is_empty());
    }

    #[test]
    fn a_key_that_names_an_account_elsewhere_is_withheld() {
        let mut cluster = fixtures::cluster("c", 1);
        let stranger = cluster.accounts.iter().find(|account| account.platform == "bluesky").unwrap().clone();
        cluster.evidence[0].key = format!("https://example.org/{}", stranger.account_name);
        cluster.evidence[0].source = stranger.account_id;
        let strongest = cluster.evidence[0].nats + 100.0;
        cluster.evidence[0].nats = strongest;
        let selection = Selection::new(&cluster, None, "twitter", &shows(), KeptPosts::NONE);
        assert_eq!((selection.keys[0].key, selection.keys[0].source), (None, None));
        assert!(!selection.keys[0].posts.is_empty());
        // Also after that account has left the group.
        let mut later = cluster.clone();
        later.accounts.retain(|account| account.account_name != stranger.account_name);
        later.evidence[0].posts.retain(|post| post.platform == "twitter");
        assert!(Selection::new(&later, None, "twitter", &shows(), KeptPosts::NONE).keys[0].key.is_some());
        assert_eq!(Selection::new(&later, Some(&cluster), "twitter", &shows(), KeptPosts::NONE).keys[0].key, None);
    }
}
