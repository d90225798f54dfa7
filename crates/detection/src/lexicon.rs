//! Subjects of a cluster's posts: regular expressions, for routing and description only.
//!
//! A lexicon never raises or lowers a score: it is used after the verdict, and none of its results
//! reach the engine or the model. It names subjects (which election, which office), never opinions.
//!
//! A lexicon is a file or a folder of files, one for each subject as in `config/topics`:
//!
//! ```toml
//! [[topic]]
//! name = "elections"
//! languages.en = ['\belections?\b', '\bballots?\b']
//! languages.pl = ['\bwybory\b']
//! false_friends.pl = ['\btrudne wybory\b']   # hard choices: a text with it is not about elections
//!
//! [[target]]
//! name = "election offices"
//! patterns = ['\belection (?:office|official)s?\b']   # in no language in particular
//! ```
//!
//! All patterns of all files are one [`RegexSet`]: a text is searched once.

mod error;
mod subjects;

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use regex::{RegexSet, RegexSetBuilder};
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

pub use error::LexiconError;
pub(crate) use subjects::{Subjects, name};

/// The bundled lexicon: the files of `config/topics`, by name.
const BUNDLED: [(&str, &str); 5] = [
    ("candidates.toml", include_str!("../../../config/topics/candidates.toml")),
    ("election_offices.toml", include_str!("../../../config/topics/election_offices.toml")),
    ("elections.toml", include_str!("../../../config/topics/elections.toml")),
    ("events.toml", include_str!("../../../config/topics/events.toml")),
    ("voting.toml", include_str!("../../../config/topics/voting.toml")),
];
/// Memory for the regular expressions' states. With too little, the regex engine uses a search that
/// is fifty times slower.
const DFA_BYTES: usize = 64 * 1024 * 1024;
/// Most memory for all patterns together, compiled; ten times what the bundled patterns need.
const PROGRAM_BYTES: usize = 64 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    topic: Vec<Subject>,
    #[serde(default)]
    target: Vec<Subject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    name: String,
    #[serde(default)]
    patterns: Vec<String>,
    #[serde(default)]
    languages: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    false_friends: BTreeMap<String, Vec<String>>,
}

impl Subject {
    fn patterns(&self) -> impl Iterator<Item = &String> {
        self.patterns.iter().chain(self.languages.values().flatten())
    }

    fn false_friends(&self) -> impl Iterator<Item = &String> {
        self.false_friends.values().flatten()
    }

    fn fault(&self) -> Option<String> {
        if self.name.trim().is_empty() {
            Some("a subject has an empty name: name it".to_owned())
        } else if self.patterns().next().is_none() {
            Some(format!(
                "{:?} has no patterns: give it some, for example languages.en = ['\\belections?\\b']",
                self.name
            ))
        } else if self.patterns().chain(self.false_friends()).any(String::is_empty) {
            Some(format!("{:?} has an empty pattern, which is found in every text: remove it", self.name))
        } else {
            None
        }
    }
}

/// Subjects and how to recognise them, all patterns in one pass.
#[derive(Debug)]
pub struct Lexicon {
    patterns: RegexSet,
    /// The meaning of each pattern.
    meanings: Vec<Meaning>,
    names: Vec<String>,
    /// Subjects before this one are topics, the others targets.
    topics: usize,
}

/// The meaning of a match.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    /// The text is about this subject ...
    About(usize),
    /// ... unless the text only looks like it and is about something else.
    FalseFriend(usize),
}

impl Lexicon {
    /// The lexicon that is bundled with the program.
    pub fn bundled() -> Result<Lexicon, LexiconError> {
        Lexicon::parse("bundled", BUNDLED.map(|(name, text)| (format!("bundled {name}"), text.to_owned())).to_vec())
    }

    /// Reads a lexicon: a file, or all files of a folder whose names end in `.toml`.
    pub fn load(path: &Path) -> Result<Lexicon, LexiconError> {
        let name = path.display().to_string();
        if !path.is_dir() {
            return Lexicon::parse(&name, vec![(name.clone(), read(path)?)]);
        }
        let unreadable = |source| LexiconError::Read { path: name.clone(), source, advice: String::new() };
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if file.extension().is_some_and(|extension| extension == "toml") {
                files.push(file);
            }
        }
        if files.is_empty() {
            return Err(LexiconError::Empty { path: name });
        }
        files.sort();
        let texts = files.iter().map(|file| Ok((file.display().to_string(), read(file)?)));
        Lexicon::parse(&name, texts.collect::<Result<_, LexiconError>>()?)
    }

    /// Combines files; `path` is the name of all together.
    fn parse(path: &str, files: Vec<(String, String)>) -> Result<Lexicon, LexiconError> {
        let (mut topics, mut targets) = (Vec::new(), Vec::new());
        let mut seen: HashMap<String, String> = HashMap::new();
        for (path, text) in files {
            let file: File =
                toml::from_str(&text).map_err(|source| LexiconError::Parse { path: path.clone(), source })?;
            for subject in file.topic.iter().chain(&file.target) {
                let twice = seen.insert(subject.name.clone(), path.clone());
                let fault = subject.fault().or_else(|| {
                    let first = twice?;
                    Some(format!("{:?} is in {first} already: give every subject a name of its own", subject.name))
                });
                if let Some(what) = fault {
                    return Err(LexiconError::Subject { path, what });
                }
                // Compiled alone, so that a faulty pattern is reported with its file.
                set(subject.patterns().chain(subject.false_friends()))
                    .map_err(|source| LexiconError::Pattern { path: path.clone(), source })?;
            }
            topics.extend(file.topic);
            targets.extend(file.target);
        }
        let before = topics.len();
        let all: Vec<Subject> = topics.into_iter().chain(targets).collect();
        if all.len() > 64 {
            return Err(LexiconError::TooMany { path: path.to_owned(), count: all.len() });
        }
        let patterns: Vec<(Meaning, &String)> = all
            .iter()
            .enumerate()
            .flat_map(|(i, subject)| {
                let about = subject.patterns().map(move |pattern| (Meaning::About(i), pattern));
                about.chain(subject.false_friends().map(move |pattern| (Meaning::FalseFriend(i), pattern)))
            })
            .collect();
        let set = set(patterns.iter().map(|(_, pattern)| *pattern))
            .map_err(|source| LexiconError::Pattern { path: path.to_owned(), source })?;
        Ok(Lexicon {
            patterns: set,
            meanings: patterns.iter().map(|(meaning, _)| *meaning).collect(),
            names: all.iter().map(|subject| subject.name.clone()).collect(),
            topics: before,
        })
    }

    /// Differs between two lexicons whose bits have different meanings.
    pub(crate) fn fingerprint(&self) -> u64 {
        xxh3_64(format!("{:?}", (&self.names, self.topics, &self.meanings, self.patterns.patterns())).as_bytes())
    }

    /// A bit for each subject of the text.
    pub fn read(&self, text: &str) -> u64 {
        let (mut about, mut not) = (0, 0);
        for pattern in self.patterns.matches(text) {
            match self.meanings[pattern] {
                Meaning::About(subject) => about |= 1 << subject,
                Meaning::FalseFriend(subject) => not |= 1 << subject,
            }
        }
        about & !not
    }
}

fn read(path: &Path) -> Result<String, LexiconError> {
    std::fs::read_to_string(path).map_err(|source| {
        // Topics were one file before there were several languages; they are a folder now.
        let folder = path.with_extension("");
        let advice = if folder != path && folder.is_dir() {
            format!("; topics are a folder of files now: name {}", folder.display())
        } else {
            String::new()
        };
        LexiconError::Read { path: path.display().to_string(), source, advice }
    })
}

fn set<'a>(patterns: impl Iterator<Item = &'a String>) -> Result<RegexSet, regex::Error> {
    RegexSetBuilder::new(patterns.map(|pattern| bounded(pattern)))
        .case_insensitive(true)
        .size_limit(PROGRAM_BYTES)
        .dfa_size_limit(DFA_BYTES)
        .build()
}

/// A word boundary at either end of a pattern, in a form that the regex engine can search fast: its
/// own `\b` makes it ten times slower on text that is not ASCII. Only whether a pattern matches is
/// used, so the match may include the neighbouring character.
fn bounded(pattern: &str) -> String {
    let (start, pattern) = match pattern.strip_prefix(r"\b") {
        Some(rest) => (r"(?:^|\W)", rest),
        None => ("", pattern),
    };
    match pattern.strip_suffix(r"\b") {
        Some(rest) => format!(r"{start}(?:{rest})(?:\W|$)"),
        None => format!("{start}(?:{pattern})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the bundled subjects of a text.
    fn about(lexicon: &Lexicon, text: &str) -> String {
        let mask = lexicon.read(text);
        (0..64).filter(|i| mask & (1 << i) != 0).map(|i| lexicon.names[i].as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Sentences, and sentences with false friends: words that look similar and mean something
    /// else.
    #[test]
    fn the_bundled_lexicon_reads_many_languages_and_knows_false_friends() {
        let lexicon = Lexicon::bundled().unwrap();
        let mut wrong = Vec::new();
        for (text, subjects) in [
            // English
            ("Polling stations open at 8, bring your ballot", "elections, voting"),
            ("the election officials counted all night", "elections, election offices"),
            ("Both candidates meet in the presidential debate tonight", "elections, candidates, election events"),
            ("They demand a recount of the votes", "voting, vote counting"),
            (
                "Call the registrar of voters before election day",
                "elections, voting, election offices, election events",
            ),
            ("The selection of the electrons", ""),
            ("She recounts the story of her life", ""),
            ("The job candidate has a second interview", ""),
            ("Vote for your favourite song", ""),
            ("A debate about pizza at the gaming convention", ""),
            ("The Secretary of State flew to Paris", ""),
            ("my primary school had a poll", ""),
            ("what a goal", ""),
            // German
            ("Die Bundestagswahl steht bevor, Stimmzettel liegen bereit", "elections, voting"),
            ("Der Kreiswahlleiter warnt, die Auszählung dauert", "vote counting, election offices"),
            ("Die Spitzenkandidaten im TV-Duell", "candidates, election events"),
            ("Sie haben die Wahl: eine große Auswahl, wahlweise in Blau", ""),
            ("Ihre Stimme klingt schön", ""),
            ("Der Kandidat im Quiz wusste die Antwort", ""),
            // French
            ("Les élections législatives : dépouillement des bulletins de vote", "elections, voting, vote counting"),
            ("La commission électorale et le candidat", "elections, candidates, election offices"),
            ("La sélection nationale roule à l'électricité", ""),
            ("Le dépouillement des archives", ""),
            ("Il est candidat au poste de comptable", ""),
            // Spanish
            ("Las elecciones: el recuento de los votos sigue", "elections, vote counting"),
            ("La junta electoral cita a las candidatas", "elections, candidates, election offices"),
            ("Es tu elección", ""),
            ("Compra una papeleta de la rifa", ""),
            ("El candidato ideal para la oficina", ""),
            ("Renovaron sus votos matrimoniales", ""),
            // Portuguese
            ("A eleição e as urnas eletrônicas", "elections, voting"),
            ("O Tribunal Superior Eleitoral fala no comício", "elections, election offices, election events"),
            ("Guardou a urna funerária", ""),
            ("Boa escolha", ""),
            // Italian
            ("Le elezioni: spoglio delle schede elettorali", "elections, voting, vote counting"),
            ("Il comizio elettorale del candidato", "elections, candidates, election events"),
            ("Un bel voto in matematica", ""),
            ("Una selezione di vini", ""),
            // Dutch
            (
                "De verkiezingen: het stembureau telt, de lijsttrekkers wachten",
                "elections, candidates, election offices",
            ),
            ("De stemmen in het koor", ""),
            ("Een goede keuze", ""),
            ("De kandidaat heeft gesolliciteerd, hij schrijft zijn sollicitatie", ""),
            // Swedish
            ("Riksdagsvalet: rösträkningen börjar på valdagen", "elections, vote counting, election events"),
            ("Ett bra val, en val i havet, hennes röst", ""),
            ("Han skriver sin kandidatuppsats", ""),
            // Polish
            ("Wybory prezydenckie, komisja wyborcza liczy", "elections, voting, election offices"),
            ("Mam przed sobą trudne wybory", ""),
            ("Kandydat do pracy", ""),
            // Russian
            ("Завтра выборы, кандидаты ждут подсчёта голосов", "elections, vote counting, candidates"),
            ("Избирательная комиссия", "election offices"),
            ("У нас нет выбора, голос певицы", ""),
            ("Кандидат физических наук", ""),
            ("Больничный бюллетень", ""),
            // Ukrainian
            ("Вибори президента, голосування триває", "elections, voting"),
            ("Немає вибору", ""),
            ("Кандидат технічних наук", ""),
            // Greek
            ("Οι εκλογές και οι υποψήφιοι", "elections, candidates"),
            ("Καλή επιλογή", ""),
            // Turkish
            ("SEÇİM günü oy kullanın", "elections, voting, election events"),
            ("Yüksek Seçim Kurulu", "elections, election offices"),
            ("Seçim senin, oyun bitti", ""),
            ("Adaya gittik, adayı gezdik", ""),
            // Arabic
            ("الانتخابات الرئاسية: فرز الأصوات", "elections, vote counting"),
            ("اللجنة العليا للانتخابات", "elections, election offices"),
            ("الانتخاب الطبيعي وصوت المغنية", ""),
            ("مرشح الماء", ""),
            // Hindi
            ("चुनाव आयोग ने मतदान की तारीख बताई", "elections, voting, election offices"),
            ("यह सही चुनाव है", ""),
            ("नौकरी के उम्मीदवार", ""),
            // Indonesian
            ("Pilpres: KPU mulai penghitungan suara", "elections, vote counting, election offices"),
            ("Suara burung dan calon suami", ""),
            // Chinese
            ("总统大选投票，候选人辩论", "elections, voting, candidates"),
            ("選舉委員會重新計票", "elections, vote counting, election offices"),
            ("这是最大选择", ""),
            // Japanese
            ("選挙管理委員会が開票を始めた", "elections, vote counting, election offices"),
            ("建設の候補地", ""),
            // Korean
            ("선거관리위원회, 개표 시작", "elections, vote counting, election offices"),
            ("후보 선수가 뛰었다", ""),
        ] {
            let found = about(&lexicon, text);
            if found != subjects {
                wrong.push(format!("{text}: {found:?} in place of {subjects:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn every_file_of_the_folder_is_bundled_and_reads_the_same() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/topics"));
        assert_eq!(Lexicon::load(folder).unwrap().fingerprint(), Lexicon::bundled().unwrap().fingerprint());
        let files = std::fs::read_dir(folder).unwrap().count();
        assert_eq!(files, BUNDLED.len());
    }

    #[test]
    fn a_cluster_is_about_what_enough_of_its_posts_are_about() {
        let lexicon = Lexicon::bundled().unwrap();
        let mut subjects = Subjects::default();
        for id in ["1", "2", "3"] {
            subjects.remember(name("x", id), lexicon.read("the election"));
        }
        let of = |n: usize| {
            let ids: Vec<String> = (1..=n).map(|i| i.to_string()).collect();
            subjects.of(&lexicon, ids.iter().map(|id| ("x", id.as_str()))).0
        };
        let again = Subjects::again(subjects.kept());
        assert_eq!((&again.masks, &again.order), (&subjects.masks, &subjects.order));
        assert_eq!(of(2), [""; 0]);
        assert_eq!(of(20), ["elections"]);
        assert_eq!(of(40), [""; 0]);
    }

    #[test]
    fn a_faulty_lexicon_is_named_with_its_fault() {
        let one = |text: &str| Lexicon::parse("t.toml", vec![("t.toml".to_owned(), text.to_owned())]);
        let other = one("[[topic]]\nname = 'a'\npatterns = ['b']").unwrap();
        assert_ne!(other.fingerprint(), Lexicon::bundled().unwrap().fingerprint());
        for (text, fault) in [
            ("[[topic]]\nname = 'a'\npatterns = ['(']", "lexicon t.toml: regex parse error"),
            ("[[topics]]\nname = 'a'", "unknown field `topics`"),
            ("[[topic]]\nname = 'a'", "lexicon t.toml: \"a\" has no patterns"),
            ("[[topic]]\nname = 'a'\nlanguages.en = ['']", "\"a\" has an empty pattern"),
            ("[[topic]]\nname = ' '\npatterns = ['b']", "a subject has an empty name"),
            (
                "[[topic]]\nname = 'a'\npatterns = ['b']\n[[target]]\nname = 'a'\npatterns = ['c']",
                "\"a\" is in t.toml already",
            ),
        ] {
            let problem = one(text).unwrap_err().to_string();
            assert!(problem.contains(fault), "{problem}");
        }
        let many: String = (0..65).map(|i| format!("[[topic]]\nname = 'a{i}'\npatterns = ['b']\n")).collect();
        assert!(one(&many).unwrap_err().to_string().contains("65 topics and targets, at most 64"));
    }

    #[test]
    fn a_file_or_a_folder_is_read_and_the_old_file_points_to_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("topics");
        std::fs::create_dir(&folder).unwrap();
        assert!(Lexicon::load(&folder).unwrap_err().to_string().contains("no file whose name ends in .toml"));
        std::fs::write(folder.join("b.toml"), "[[target]]\nname = 'offices'\nlanguages.en = ['\\boffice\\b']").unwrap();
        let old = "[[topic]]\nname = 'elections'\npatterns = ['\\belections?\\b']";
        std::fs::write(folder.join("a.toml"), old).unwrap();
        std::fs::write(folder.join("readme.md"), "no lexicon").unwrap();
        let whole = Lexicon::load(&folder).unwrap();
        assert_eq!(about(&whole, "the election office"), "elections, offices");
        // One file, in its original form.
        assert_eq!(about(&Lexicon::load(&folder.join("a.toml")).unwrap(), "the election office"), "elections");
        // A path to the former single file, which is a folder now.
        let gone = Lexicon::load(&dir.path().join("topics.toml")).unwrap_err().to_string();
        assert!(gone.contains("topics are a folder of files now: name ") && gone.ends_with("topics"), "{gone}");
        std::fs::write(folder.join("c.toml"), old).unwrap();
        let twice = Lexicon::load(&folder).unwrap_err().to_string();
        assert!(twice.contains("c.toml: \"elections\" is in ") && twice.contains("a.toml already"), "{twice}");
    }
}
