//! Rendering of a draft into a post: its text, links and tags, and the platform's data about the
//! account.
//!
//! The words of a post depend on its serial number only, so posts can be rendered one at a time.

use coordination::Millis;

use crate::{
    draw::Draw,
    ids::{id, mix, number},
    post::SimPost,
    rewrite,
    scene::{Act, DAY, Draft, Dress, LinkWords, Linked, Scene, Script, capital},
    words::{self, Sentence, slug},
    world::Crowd,
};

/// Tags of the one event that everybody talks about: the election in a country that does not exist.
const EVENT_TAGS: [&str; 4] = ["VelmoraVotes", "VelmoraDebate", "Velmora26", "VelmoraDecides"];

/// Streams of random numbers for a post, an item, a script and so on.
const POST: u64 = 1 << 60;
const ITEM: u64 = 2 << 60;
const SCRIPT: u64 = 3 << 60;
const SAYING: u64 = 4 << 60;
const MEDIA: u64 = 5 << 60;
const STYLE: u64 = 6 << 60;
/// Number of pictures that circulate.
const MEMES: usize = 200;
/// Number of common sayings per language.
const SAYINGS: usize = 40;

/// The content of a post before it is assembled.
#[derive(Default)]
struct Content {
    text: String,
    tags: Vec<String>,
    urls: Vec<String>,
    mentions: Vec<String>,
    media: Option<u64>,
}

impl Scene<'_> {
    /// The time of a draft on its platform's clock.
    pub(crate) fn shown_at(&self, draft: &Draft) -> Millis {
        let account = &self.accounts[draft.account as usize];
        let clock = (self.world.platforms[account.platform].clock_s * 1_000.0) as Millis;
        if clock > 1 { draft.at - draft.at.rem_euclid(clock) } else { draft.at }
    }

    /// The number in a draft's id. Posts with the same time are in the order of this number.
    pub(crate) fn place(&self, draft: &Draft) -> u64 {
        number(draft.at, draft.serial)
    }

    /// Renders a draft; `earlier` is the number of earlier posts of its account in this world.
    pub(crate) fn render(&self, draft: &Draft, earlier: u64) -> SimPost {
        let account = &self.accounts[draft.account as usize];
        let platform = &self.world.platforms[account.platform];
        let mut draw = Draw::keyed(self.seed, POST | draft.serial);
        let mut post = SimPost {
            id: id(draft.at, draft.serial),
            platform: platform.name.clone(),
            account_id: account.id.clone(),
            account_name: account.name.clone(),
            created_at: self.shown_at(draft),
            lang: platform.lang.then(|| self.languages[self.communities[account.community].language].tag),
            client: platform.client.then(|| account.client.clone()),
            ..SimPost::default()
        };
        if platform.profile {
            post.followers = Some(account.followers);
            post.following = Some(account.following);
            post.account_created_at = Some(account.created_at - account.created_at.rem_euclid(1_000));
            post.account_posts = Some(account.earlier_posts + earlier);
            post.default_profile = Some(account.default_profile);
        }
        if platform.deletions && draft.deleted_after > 0 {
            post.deleted_at = Some(post.created_at + draft.deleted_after);
        }
        let habits = &self.habits[account.habits];
        let mut content = match draft.act {
            Act::Publish(item) => self.published(item, account.platform),
            Act::Repost(item) => {
                let source = &self.sources[self.items[item as usize].source as usize];
                let voice = &self.accounts[source.accounts[account.platform] as usize];
                post.repost_of = Some(self.item_id(item, account.platform));
                post.repost_of_account = Some(voice.id.clone());
                self.published(item, account.platform)
            }
            Act::RepostStranger => {
                let at = draft.at - (draw.log_normal(7_200_000.0, 1.2) as Millis).min(DAY as Millis);
                post.repost_of = Some(id(at, draw.bits()));
                post.repost_of_account = Some(mix(draw.bits(), 48).to_string());
                let mut content = self.own_words(&mut draw, account.community, 0.0, habits);
                let mut style = Draw::keyed(self.seed, STYLE | draft.serial);
                if habits.stranger_links > 0.0 && style.chance(habits.stranger_links) {
                    content.urls = vec![stray(&mut style, draft.serial)];
                }
                content
            }
            Act::Reply(item) => {
                let source = &self.sources[self.items[item as usize].source as usize];
                let voice = &self.accounts[source.accounts[account.platform] as usize];
                post.reply_to = Some(self.item_id(item, account.platform));
                post.reply_to_account = Some(voice.id.clone());
                let mut content = self.own_words(&mut draw, account.community, 0.0, habits);
                content.mentions = vec![voice.name.clone()];
                content
            }
            Act::Link { item, words, short } => {
                let outlet = &self.sources[self.items[item as usize].source as usize];
                let mut content = match words {
                    LinkWords::Own => self.own_words(&mut draw, account.community, 0.0, habits),
                    LinkWords::Bare => Content::default(),
                    LinkWords::Headline | LinkWords::Button => {
                        Content { text: self.headline(item), ..Content::default() }
                    }
                };
                let mut url = if short > 0 { short_link(draft, short) } else { self.address(item) };
                if words == LinkWords::Button {
                    let handle = outlet.name.trim_end_matches(".example").replace('-', "_");
                    content.text = format!("{} via @{handle}", content.text);
                    post.mentions.push(handle);
                } else if short == 0 && words == LinkWords::Own && draw.chance(habits.tracking) {
                    url = format!("{url}?utm_source={}&utm_medium=social", platform.name);
                }
                content.urls = vec![url];
                content
            }
            Act::LinkStranger => {
                let mut content = self.own_words(&mut draw, account.community, 0.0, habits);
                content.urls = vec![stray(&mut draw, draft.serial)];
                content
            }
            Act::Article { item, script } => {
                Content { urls: vec![self.address(item)], ..self.scripted(&mut draw, script, draft.serial) }
            }
            Act::Answer { item, script } => {
                let source = &self.sources[self.items[item as usize].source as usize];
                let voice = &self.accounts[source.accounts[account.platform] as usize];
                post.reply_to = Some(self.item_id(item, account.platform));
                post.reply_to_account = Some(voice.id.clone());
                let mut content = self.scripted(&mut draw, script, draft.serial);
                content.mentions.insert(0, voice.name.clone());
                content
            }
            Act::Chat => self.own_words(&mut draw, account.community, habits.mention, habits),
            Act::Script(script) => self.scripted(&mut draw, script, draft.serial),
            Act::Line { script, dress } => self.line(&mut draw, script, dress, draft),
        };
        let original = matches!(draft.act, Act::Chat | Act::Link { .. } | Act::LinkStranger | Act::Reply(_));
        if original && habits.media > 0.0 {
            let mut draw = Draw::keyed(self.seed, MEDIA | draft.serial);
            if draw.chance(habits.media) {
                let meme = draw.chance(habits.meme);
                let number = if meme { draw.rank(MEMES) as u64 } else { draft.serial + MEMES as u64 };
                content.media = Some(Draw::keyed(self.seed ^ MEDIA, number).bits());
            }
        }
        finish(post, content)
    }

    /// The id of a voice's post on one platform.
    pub(crate) fn item_id(&self, item: u32, platform: usize) -> String {
        let item = &self.items[item as usize];
        id(item.at, item.serial + platform as u64)
    }

    /// The URL of an outlet's article, without tracking parameters.
    pub(crate) fn address(&self, item: u32) -> String {
        let outlet = &self.sources[self.items[item as usize].source as usize].name;
        let serial = self.items[item as usize].serial;
        format!("https://www.{outlet}/news/{}-{serial}", slug(&self.headline(item)))
    }

    /// The short links of a scene, with their targets.
    pub(crate) fn short_links(&self) -> Vec<(String, String)> {
        let mut links: Vec<_> = self
            .drafts
            .iter()
            .filter_map(|draft| match draft.act {
                Act::Link { item, short, .. } if short > 0 => Some((short_link(draft, short), self.address(item))),
                Act::Line { dress: Dress { link: Linked::Short(item), .. }, .. } => {
                    Some((short_link(draft, 1), self.address(item)))
                }
                _ => None,
            })
            .collect();
        links.sort_unstable();
        links
    }

    /// The base text of a script.
    pub(crate) fn script_text(&self, script: u32) -> String {
        let script = &self.scripts[script as usize];
        let base = script.base.unwrap_or_default() >> 4;
        if script.rewrite > 0.0 {
            return self.rewritten(script, base, None);
        }
        self.sentence(script.community, &mut Draw::keyed(self.seed, SCRIPT ^ base)).text()
    }

    fn headline(&self, item: u32) -> String {
        let item = &self.items[item as usize];
        let community = &self.communities[self.sources[item.source as usize].community];
        let mut draw = Draw::keyed(self.seed, ITEM | item.serial);
        self.languages[community.language].headline(&mut draw, &community.topics).text()
    }

    /// The content of a voice's item; the wording differs per platform.
    fn published(&self, item: u32, platform: usize) -> Content {
        let it = &self.items[item as usize];
        let community = self.sources[it.source as usize].community;
        let mut draw = Draw::keyed(self.seed, ITEM | (it.serial + platform as u64));
        let mut content = self.own_words(&mut draw, community, 0.0, &self.world.crowd);
        if draw.chance(self.world.crowd.voice_links) {
            let name = words::name(&mut draw).to_lowercase();
            content.urls = vec![format!("https://{name}.example/{}", it.serial)];
        }
        content.tags.splice(0..0, it.tags.iter().cloned());
        content
    }

    fn scripted(&self, draw: &mut Draw, script: u32, serial: u64) -> Content {
        let script = &self.scripts[script as usize];
        let language = &self.languages[self.communities[script.community].language];
        let mut style = Draw::keyed(self.seed, STYLE | serial);
        let text = match script.base {
            Some(base) if script.paraphrase < 1.0 => {
                let which = if script.templates > 1 { style.below(script.templates) as u64 } else { 0 };
                let base = (base >> 4) + which;
                if script.rewrite > 0.0 {
                    let rewritten = style.chance(script.rewrite);
                    self.rewritten(script, base, rewritten.then_some(&mut style))
                } else {
                    let base = self.sentence(script.community, &mut Draw::keyed(self.seed, SCRIPT ^ base));
                    language.paraphrase(&base, script.paraphrase, draw)
                }
            }
            _ if script.shout > 0.0 && style.chance(script.shout) => language.shout(&mut style).to_owned(),
            _ => self.sentence(script.community, draw).text(),
        };
        let media = script
            .media
            .map(|hash| style.sample(64, script.noise).into_iter().fold(hash, |hash, bit| hash ^ (1 << bit)));
        Content { text, tags: script.tags.clone(), mentions: script.mentions.clone(), urls: Vec::new(), media }
    }

    /// The content of a group's post, for groups of the `group` tables.
    fn line(&self, draw: &mut Draw, script: u32, dress: Dress, draft: &Draft) -> Content {
        let script = &self.scripts[script as usize];
        let home = &self.communities[script.community];
        let language = &self.languages[home.language];
        let mut tags = script.tags[..usize::from(dress.tags)].to_vec();
        let named = usize::from(dress.mention).checked_sub(1);
        let mut mentions: Vec<String> = named.map(|place| script.mentions[place].clone()).into_iter().collect();
        let text = match script.base {
            None => self.sentence(script.community, draw).text(),
            Some(base) => {
                let mut template = Draw::keyed(self.seed, SCRIPT ^ (base >> 4));
                let mut sentence = self.sentence(script.community, &mut template);
                if script.slots > 0.0 {
                    language.spin(&mut sentence, script.slots, &mut template, draw);
                }
                let kind = if draw.chance(script.verbatim) { 1.0 } else { draw.unit() };
                if kind < 0.5 {
                    language.exchange(&mut sentence, 1 + draw.below(3), draw);
                } else if kind < 0.7 {
                    mentions.push(self.accounts[draw.below(self.crowd)].name.clone());
                } else if kind < 0.9 {
                    tags.push(home.tags[draw.rank(home.tags.len())].clone());
                }
                let mut text = sentence.text();
                if (0.9..1.0).contains(&kind) {
                    text.push_str(draw.pick(&["!", "!!", " …", ".", " 👇", " 🔥"]));
                }
                text
            }
        };
        let urls = match dress.link {
            Linked::No => Vec::new(),
            Linked::To(item) => vec![self.address(item)],
            Linked::Short(_) => vec![short_link(draft, 1)],
            Linked::Stray => vec![stray(draw, draft.serial)],
        };
        Content { text, tags, urls, mentions, media: None }
    }

    /// The message of a base text in a new sentence; without a draw the master copy.
    fn rewritten(&self, script: &Script, base: u64, style: Option<&mut Draw>) -> String {
        let home = &self.communities[script.community];
        let language = &self.languages[home.language];
        let slots = language.slots(&mut Draw::keyed(self.seed, SCRIPT ^ base), &home.topics);
        rewrite::say(language.tag, &slots, style)
    }

    /// A text of the account's own, with tags as people use them.
    fn own_words(&self, draw: &mut Draw, community: usize, mention: f64, habits: &Crowd) -> Content {
        let home = &self.communities[community];
        let language = &self.languages[home.language];
        let text = if draw.chance(0.1) {
            language.remark(draw).text()
        } else if draw.chance(habits.saying) {
            let saying = SAYING | (home.language as u64) << 8 | draw.rank(SAYINGS) as u64;
            // All communities with the same language share the sayings.
            let first = self.communities.iter().position(|other| other.language == home.language);
            self.sentence(first.unwrap_or(community), &mut Draw::keyed(self.seed, saying)).text()
        } else {
            self.sentence(community, draw).text()
        };
        let mut tags = Vec::new();
        if draw.chance(habits.hashtag) {
            // The number of tags, as measured in a real debate crowd.
            let count = 1 + draw.weighted(&[0.77, 0.155, 0.05, 0.02, 0.005]).unwrap_or(0);
            for _ in 0..count {
                let tag = match draw.unit() {
                    kind if kind < 0.35 => EVENT_TAGS[draw.rank(EVENT_TAGS.len())].to_owned(),
                    kind if kind < 0.75 => home.tags[draw.rank(home.tags.len())].clone(),
                    // People often invent their own tags.
                    _ => format!("{}{}", capital(language.noun(draw)), words::name(draw)),
                };
                if !tags.contains(&tag) {
                    tags.push(tag);
                }
            }
        }
        let mut mentions = Vec::new();
        if draw.chance(mention) {
            for _ in 0..1 + usize::from(draw.chance(0.2)) {
                mentions.push(self.accounts[draw.below(self.crowd)].name.clone());
            }
        }
        Content { text, tags, mentions, ..Content::default() }
    }

    fn sentence(&self, community: usize, draw: &mut Draw) -> Sentence<'_> {
        let home = &self.communities[community];
        let language = &self.languages[home.language];
        let mut sentence = language.post(draw, &home.topics);
        if self.world.crowd.loose > 0.0 {
            language.loosen(&mut sentence, self.world.crowd.loose, draw);
        }
        sentence
    }
}

/// Assembles a text from its words, mentions, tags and links, in the order in which the fields list
/// them.
fn finish(mut post: SimPost, content: Content) -> SimPost {
    let Content { text, tags, urls, mentions, media } = content;
    let mut whole = String::with_capacity(text.len() + 96);
    let parts = mentions
        .iter()
        .map(|mention| ("@", mention))
        .chain([("", &text)])
        .chain(tags.iter().map(|tag| ("#", tag)))
        .chain(urls.iter().map(|url| ("", url)));
    for (sign, part) in parts.filter(|(_, part)| !part.is_empty()) {
        if !whole.is_empty() {
            whole.push(' ');
        }
        whole.push_str(sign);
        whole.push_str(part);
    }
    post.text = whole;
    post.hashtags = tags;
    post.urls = urls;
    post.media = media.into_iter().map(|hash| format!("{hash:016x}")).collect();
    post.mentions.extend(mentions);
    post
}

/// The address of something nobody else links to.
fn stray(draw: &mut Draw, serial: u64) -> String {
    let name = words::name(draw).to_lowercase();
    let path = slug(&words::name(draw));
    format!("https://{name}.example/{path}/{serial}")
}

/// The draft's own short link, from one of `hosts` shorteners.
fn short_link(draft: &Draft, hosts: u32) -> String {
    let code = mix(draft.serial, 40);
    match code % u64::from(hosts) {
        0 => format!("https://sho.example/{code:x}"),
        host => format!("https://sho{host}.example/{code:x}"),
    }
}
