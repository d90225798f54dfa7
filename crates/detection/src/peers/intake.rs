//! Reads posts for the methods of other tools.

use std::borrow::Cow;
use std::collections::HashMap;

use coordination::{
    Post, TraceKind,
    peers::{Shares, Tokens, cooccurrence::Messages, normalised_message, normalised_text},
};

use super::{Method, PeersError, Trace};
use crate::input::{Layout, PeerRow};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The objects of CooRTweet's layout, whose kind is not named.
    Object,
    Of(Trace),
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Object => "object",
            Kind::Of(trace) => trace.name(),
        }
    }
}

/// The posts and the ties of an account.
#[derive(Default)]
pub(super) struct AccountTies {
    pub(super) platform: u32,
    several: bool,
    pub(super) posts: u64,
    pub(super) degree: u64,
    pub(super) strength: u64,
    pub(super) weight_max: u32,
    pub(super) color_v: Option<bool>,
}

/// The posts so far.
pub(super) struct Intake {
    coortweet: bool,
    pub(super) kind: Option<Kind>,
    named: bool,
    pub(super) shares: Shares,
    pub(super) messages: Messages,
    pub(super) accounts: Accounts,
    pub(super) platforms: Vec<String>,
    pub(super) on_several_platforms: u64,
}

impl Intake {
    pub(super) fn new(method: &Method, trace: Option<Trace>) -> Intake {
        Intake {
            coortweet: matches!(method, Method::CooRTweet { .. }),
            kind: trace.map(Kind::Of),
            named: trace.is_some(),
            shares: Shares::default(),
            messages: Messages::default(),
            accounts: HashMap::default(),
            platforms: Vec::new(),
            on_several_platforms: 0,
        }
    }

    pub(super) fn take(&mut self, post: &Post<'_>, row: Option<&PeerRow<'_>>) -> Result<(), PeersError> {
        self.count(post);
        let object = row.filter(|row| row.layout == Layout::CooRTweet).map(|row| row.object);
        if !self.named {
            self.recognise(post, object.is_some())?;
        }
        let at = seconds(post, row);
        let (id, account) = (post.id.as_ref(), post.account_id.as_ref());
        let kind = self.kind;
        if kind == Some(Kind::Of(Trace::Similar)) {
            let text = if post.repost_of.is_some() { "" } else { object.unwrap_or(&post.text) };
            self.messages.push_words(id, account, at, &Tokens::of(text));
            return Ok(());
        }
        let keys: Vec<Cow<'_, str>> = match (object, kind) {
            (Some(object), _) => vec![object.into()],
            (None, Some(Kind::Of(trace))) => self.keys(trace, post, row),
            (None, _) => Vec::new(),
        };
        if self.coortweet {
            keys.iter().for_each(|key| self.shares.push(key, account, id, at));
            return Ok(());
        }
        let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        match kind {
            Some(Kind::Of(trace)) if object.is_none() && trace.is_one_thing() => {
                self.messages.push(id, account, at, &keys);
            }
            _ => self.messages.push_each(id, account, at, &keys),
        }
        Ok(())
    }

    /// The keys of a post for a trace.
    fn keys<'p>(&self, trace: Trace, post: &'p Post<'_>, row: Option<&PeerRow<'p>>) -> Vec<Cow<'p, str>> {
        let list = |list: &'p [Cow<'_, str>]| list.iter().map(|item| Cow::Borrowed(item.as_ref())).collect();
        let other_post = |kind: TraceKind| kind.other_post(post).map(Cow::Borrowed).into_iter().collect();
        let toolkit = row.filter(|row| row.layout == Layout::CoordinationNetworkToolkit);
        let repost = post.repost_of.is_some();
        match trace {
            Trace::Kind(TraceKind::Repost) => other_post(TraceKind::Repost),
            Trace::Post => vec!["".into()],
            _ if repost && !self.coortweet => Vec::new(),
            Trace::Kind(TraceKind::Url) => match toolkit {
                Some(row) => row.urls.split(' ').filter(|url| !url.is_empty()).map(Cow::Borrowed).collect(),
                None => list(&post.urls),
            },
            Trace::Kind(TraceKind::Hashtags) => list(&post.hashtags),
            Trace::Kind(TraceKind::Mention) => list(&post.mentions),
            Trace::Kind(TraceKind::Media) => list(&post.media),
            Trace::Kind(TraceKind::Text) | Trace::Similar if self.coortweet => {
                let wanted = !repost && post.reply_to.is_none() && !post.text.is_empty();
                wanted.then(|| normalised_text(&post.text).into()).into_iter().collect()
            }
            Trace::Kind(TraceKind::Text) | Trace::Similar => {
                let wanted = toolkit.is_some() || !post.text.is_empty();
                wanted.then(|| normalised_message(&post.text).into()).into_iter().collect()
            }
            Trace::Kind(kind) => other_post(kind),
        }
    }

    /// Requires one trace in all posts if none was named.
    fn recognise(&mut self, post: &Post<'_>, object: bool) -> Result<(), PeersError> {
        let has = [
            (object, Kind::Object),
            (!object && !post.urls.is_empty(), Kind::Of(Trace::Kind(TraceKind::Url))),
            (!object && post.repost_of.is_some(), Kind::Of(Trace::Kind(TraceKind::Repost))),
            (!object && !post.hashtags.is_empty(), Kind::Of(Trace::Kind(TraceKind::Hashtags))),
            (!object && post.reply_to.is_some(), Kind::Of(Trace::Kind(TraceKind::Reply))),
        ];
        for (_, kind) in has.into_iter().filter(|(has, _)| *has) {
            match self.kind {
                Some(other) if other != kind => return Err(PeersError::Ambiguous(other.name(), kind.name())),
                _ => self.kind = Some(kind),
            }
        }
        Ok(())
    }

    fn count(&mut self, post: &Post<'_>) {
        let known = self.platforms.iter().position(|platform| *platform == post.platform);
        let platform = known.unwrap_or_else(|| {
            self.platforms.push(post.platform.clone().into_owned());
            self.platforms.len() - 1
        }) as u32;
        match self.accounts.get_mut(post.account_id.as_ref()) {
            Some(account) => {
                account.posts += 1;
                if account.platform != platform && !std::mem::replace(&mut account.several, true) {
                    self.on_several_platforms += 1;
                }
            }
            None => {
                let account = AccountTies { platform, posts: 1, ..AccountTies::default() };
                self.accounts.insert(post.account_id.clone().into_owned(), account);
            }
        }
    }
}

/// The time as the other tool reads it: numbers unchanged, unless their size shows another unit
/// than seconds.
fn seconds(post: &Post<'_>, row: Option<&PeerRow<'_>>) -> f64 {
    let number = row.and_then(|row| row.timestamp.trim().parse::<f64>().ok()).filter(|number| number.abs() < 1e11);
    number.unwrap_or(post.created_at as f64 / 1e3)
}

/// Accounts by name.
pub(super) type Accounts = HashMap<String, AccountTies, foldhash::fast::FixedState>;

/// Adds a tie to an account.
pub(super) fn credit(accounts: &mut Accounts, name: &str, weight: u32) {
    if let Some(account) = accounts.get_mut(name) {
        account.degree += 1;
        account.strength += u64::from(weight);
        account.weight_max = account.weight_max.max(weight);
    }
}
