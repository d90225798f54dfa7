//! Texts of posts: sentences from small grammars in three languages, about places and people that
//! do not exist.
//!
//! The vocabularies are everyday words; names are built from syllables. No real person, party,
//! place or viewpoint can result.

use crate::draw::Draw;

/// One language's grammar.
pub(crate) struct Language {
    /// BCP 47 tag.
    pub(crate) tag: &'static str,
    openers: Vec<&'static str>,
    closers: Vec<&'static str>,
    nouns: Vec<&'static str>,
    verbs: Vec<&'static str>,
    adjectives: Vec<&'static str>,
    adverbs: Vec<&'static str>,
    templates: Vec<&'static str>,
    headlines: Vec<&'static str>,
}

/// A text in which some words can be replaced by others of their class.
pub(crate) struct Sentence<'a> {
    words: Vec<(Option<Class>, &'a str)>,
}

/// The content of a message.
pub(crate) struct Slots<'a> {
    pub(crate) topic: &'a str,
    pub(crate) verb: &'a str,
    pub(crate) adjective: &'a str,
    pub(crate) noun: &'a str,
    pub(crate) other: &'a str,
}

/// Word classes. `{n}` in a template is a noun, and so on.
#[derive(Clone, Copy, PartialEq)]
enum Class {
    Opener,
    Closer,
    Noun,
    Verb,
    Adjective,
    Adverb,
    Topic,
}

impl Language {
    /// A post: one or two sentences about a community's topics.
    pub(crate) fn post<'a>(&'a self, draw: &mut Draw, topics: &'a [String]) -> Sentence<'a> {
        let mut words = Vec::new();
        if draw.chance(0.45) {
            words.push((Some(Class::Opener), draw.pick(&self.openers)));
        }
        self.fill(draw.pick(&self.templates), draw, topics, &mut words);
        if draw.chance(0.4) {
            words.push((None, "."));
            self.fill(draw.pick(&self.templates), draw, topics, &mut words);
        }
        if draw.chance(0.45) {
            words.push((Some(Class::Closer), draw.pick(&self.closers)));
        }
        Sentence { words }
    }

    /// Two or three words, as in short replies: too short to show who copies whom.
    pub(crate) fn remark<'a>(&'a self, draw: &mut Draw) -> Sentence<'a> {
        let mut words = vec![(Some(Class::Adverb), draw.pick(&self.adverbs))];
        words.push((Some(Class::Adjective), draw.pick(&self.adjectives)));
        if draw.chance(0.5) {
            words.push((Some(Class::Noun), draw.pick(&self.nouns)));
        }
        Sentence { words }
    }

    /// An article's headline.
    pub(crate) fn headline<'a>(&'a self, draw: &mut Draw, topics: &'a [String]) -> Sentence<'a> {
        let mut words = Vec::new();
        self.fill(draw.pick(&self.headlines), draw, topics, &mut words);
        Sentence { words }
    }

    /// A message that can be worded in many ways.
    pub(crate) fn slots<'a>(&'a self, draw: &mut Draw, topics: &'a [String]) -> Slots<'a> {
        Slots {
            topic: &topics[draw.rank(topics.len())],
            verb: draw.pick(&self.verbs),
            adjective: draw.pick(&self.adjectives),
            noun: draw.pick(&self.nouns),
            other: draw.pick(&self.nouns),
        }
    }

    /// A common shout at a moment of a match.
    pub(crate) fn shout(&self, draw: &mut Draw) -> &'static str {
        let shouts: &[&'static str] = match self.tag {
            "de" => &[
                "TOR!",
                "Tor!!!",
                "Tooor",
                "Was für ein Tor",
                "jaaa",
                "unglaublich",
                "Endlich!",
                "ich kann nicht mehr",
            ],
            "es" => &["GOL!", "Gooool", "Qué golazo", "vamos!!", "no me lo creo", "Por fin!", "GOLAZO", "qué partido"],
            _ => &["GOAL!", "GOOOAL", "goal!!!", "What a goal", "yesss", "unbelievable", "scenes", "I cannot breathe"],
        };
        shouts[draw.rank(shouts.len())]
    }

    /// A noun, for tags and names.
    pub(crate) fn noun(&self, draw: &mut Draw) -> &'static str {
        draw.pick(&self.nouns)
    }

    fn fill<'a>(
        &'a self,
        template: &'a str,
        draw: &mut Draw,
        topics: &'a [String],
        words: &mut Vec<(Option<Class>, &'a str)>,
    ) {
        for part in template.split(' ') {
            let class = match part {
                "{o}" => Some(Class::Opener),
                "{c}" => Some(Class::Closer),
                "{n}" => Some(Class::Noun),
                "{v}" => Some(Class::Verb),
                "{a}" => Some(Class::Adjective),
                "{d}" => Some(Class::Adverb),
                "{t}" => Some(Class::Topic),
                _ => None,
            };
            let word = match class {
                Some(Class::Topic) => topics[draw.rank(topics.len())].as_str(),
                Some(class) => draw.pick(self.class(class)),
                None => part,
            };
            words.push((class, word));
        }
    }

    fn class(&self, class: Class) -> &[&'static str] {
        match class {
            Class::Opener => &self.openers,
            Class::Closer => &self.closers,
            Class::Verb => &self.verbs,
            Class::Adjective => &self.adjectives,
            Class::Adverb => &self.adverbs,
            Class::Noun | Class::Topic => &self.nouns,
        }
    }

    /// Inserts an adverb or an adjective between fixed words, each time with the given probability.
    pub(crate) fn loosen<'a>(&'a self, sentence: &mut Sentence<'a>, probability: f64, draw: &mut Draw) {
        let mut loose: Vec<(Option<Class>, &'a str)> = Vec::with_capacity(sentence.words.len() + 4);
        for &(class, word) in &sentence.words {
            let fixed = |word: &str| word.starts_with(char::is_alphabetic);
            let between = class.is_none() && loose.last().is_some_and(|(before, last)| before.is_none() && fixed(last));
            if between && fixed(word) && draw.chance(probability) {
                let class = if draw.chance(0.5) { Class::Adverb } else { Class::Adjective };
                loose.push((Some(class), draw.pick(self.class(class))));
            }
            loose.push((class, word));
        }
        sentence.words = loose;
    }

    /// Replaces some words of a sentence by others of their class, except names, and at most half
    /// of the replaceable words.
    pub(crate) fn exchange<'a>(&'a self, sentence: &mut Sentence<'a>, words: usize, draw: &mut Draw) {
        let free = sentence.free();
        for place in draw.sample(free.len(), words.min(free.len() / 2)) {
            self.replace(sentence, free[place], draw);
        }
    }

    /// Fills the slots of a template. `template` draws which words are slots (this share of them)
    /// and the three to five choices of each slot; `draw` selects a choice.
    pub(crate) fn spin<'a>(&'a self, sentence: &mut Sentence<'a>, slots: f64, template: &mut Draw, draw: &mut Draw) {
        for place in sentence.free() {
            if !template.chance(slots) {
                continue;
            }
            // The existing word is the first choice.
            let mut choices = vec![sentence.words[place]];
            for _ in 0..2 + template.below(3) {
                self.replace(sentence, place, template);
                choices.push(sentence.words[place]);
            }
            sentence.words[place] = draw.pick(&choices);
        }
    }

    fn replace<'a>(&'a self, sentence: &mut Sentence<'a>, place: usize, draw: &mut Draw) {
        if let (Some(class), word) = &mut sentence.words[place] {
            *word = draw.pick(self.class(*class));
        }
    }

    /// A near-duplicate of `sentence`: each word with a class is replaced with the given
    /// probability; names stay.
    pub(crate) fn paraphrase(&self, sentence: &Sentence<'_>, probability: f64, draw: &mut Draw) -> String {
        let mut text = String::with_capacity(128);
        for &(class, word) in &sentence.words {
            let word = match class {
                Some(class) if class != Class::Topic && draw.chance(probability) => draw.pick(self.class(class)),
                _ => word,
            };
            join(&mut text, word);
        }
        if draw.chance(probability / 2.0) {
            text.push_str(draw.pick(&["!", "!!", " …", ".", " 👇", " 🔥"]));
        }
        text
    }
}

impl Sentence<'_> {
    /// Indices of the words that can be replaced.
    fn free(&self) -> Vec<usize> {
        let free = |place: &usize| self.words[*place].0.is_some_and(|class| class != Class::Topic);
        (0..self.words.len()).filter(free).collect()
    }

    /// The sentence as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::with_capacity(128);
        for (_, word) in &self.words {
            join(&mut text, word);
        }
        text
    }
}

fn join(text: &mut String, word: &str) {
    if !text.is_empty() && !word.starts_with([',', '.', '?', '!', ':']) {
        text.push(' ');
    }
    text.push_str(word);
}

/// An invented, capitalised name of two or three syllables.
pub(crate) fn name(draw: &mut Draw) -> String {
    const FIRST: [&str; 24] = [
        "bel", "cor", "dal", "el", "fen", "gar", "hol", "il", "jor", "kal", "lin", "mar", "nor", "or", "pel", "quin",
        "ros", "sil", "tor", "ul", "var", "wes", "yar", "zel",
    ];
    const MIDDLE: [&str; 16] =
        ["a", "e", "i", "o", "u", "ama", "eno", "ila", "ora", "usi", "ani", "eri", "ida", "omi", "ela", "uno"];
    const LAST: [&str; 20] = [
        "dor", "feld", "gan", "holt", "ka", "land", "mir", "na", "pol", "ra", "sen", "stad", "ta", "ton", "va", "vik",
        "wyn", "ria", "lis", "mont",
    ];
    let mut name = String::new();
    name.push_str(draw.pick(&FIRST));
    name.push_str(draw.pick(&MIDDLE));
    name.push_str(draw.pick(&LAST));
    name[..1].make_ascii_uppercase();
    name
}

/// `text` as a slug for a URL: lower-case letters and digits, joined by hyphens.
pub(crate) fn slug(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let before = slug.len();
        if before > 0 {
            slug.push('-');
        }
        let start = slug.len();
        slug.extend(word.chars().flat_map(char::to_lowercase).filter(char::is_ascii_alphanumeric));
        if slug.len() == start {
            slug.truncate(before);
        }
    }
    slug
}

/// The three languages.
pub(crate) fn languages() -> [Language; 3] {
    let list = |words: &'static str| words.split_whitespace().collect::<Vec<_>>();
    let lines =
        |text: &'static str| text.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    [
        Language {
            tag: "en",
            openers: lines(
                "Honestly\nWell ,\nOkay so\nNot sure but\nToday\nThis morning\nFunny how\nRemember when\nJust saw that\n\
                 Still thinking that\nBreaking :\nSo\nMy neighbour says\nCannot believe\nOnce again\nLooks like\nReading that\nLet us hope",
            ),
            closers: lines(
                "and that is that\n, what do you think?\nagain\nas always\nfor once\n, finally\nthis week\nbefore lunch\nin the rain\n\
                 at last\n, no joke\nand I love it\n, sadly\n, just saying\nuntil Sunday\nall day\nsince March\n, right?",
            ),
            nouns: list(
                "bridge harbour school ferry market garden library budget teacher council road festival museum kitchen river \
                 ticket bakery station hospital orchestra village forest newspaper question debate speech choir winter coffee \
                 bicycle tunnel lighthouse playground theatre engine letter island committee neighbour photograph recipe podcast \
                 keyboard tower meadow canal window concert referee goalkeeper novel actor poster tram pension harvest dentist \
                 workshop lantern valley printer umbrella survey",
            ),
            verbs: list(
                "opens closes wins loses changes surprises disappoints follows needs builds repairs welcomes ignores delays \
                 remembers supports explains beats misses carries paints measures borrows returns forgets replaces visits \
                 defends records shakes warms drops lifts trusts questions announces celebrates cancels",
            ),
            adjectives: list(
                "old new quiet loud bright empty crowded expensive cheap strange brilliant boring late early broken famous \
                 local distant green heavy honest careful sudden slow proper golden tired wooden fresh public open wild \
                 narrow modest splendid curious stubborn gentle",
            ),
            adverbs: list(
                "really hardly slowly finally nearly always never often quietly suddenly again probably certainly already \
                 barely gladly rarely clearly",
            ),
            templates: lines(
                "the {a} {n} in {t} {d} {v} the {n}\nI {d} think the {n} {v} every {a} {n} in {t}\nnobody in {t} {v} a {n} so {a}\n\
                 why is the {n} {d} so {a} when {t} {v} the {n} ?\n{t} {d} {v} the {a} {n} and my {n} too\n\
                 we waited at the {n} for the {a} {n} while {t} {v} it\nif {t} {d} {v} the {n} I will buy a {a} {n}\n\
                 my {a} {n} {d} {v} what {t} said about the {n}\nthe {n} near the {n} is {a} and {d} {a}\n\
                 a {n} that {d} {v} the {n} is a {a} {n}\nthere is a {a} {n} behind the {n} of {t}\nfrom the {n} to the {n} everything is {d} {a}",
            ),
            headlines: lines(
                "{t} {v} {a} {n} after {n} {n}\nWhy the {n} of {t} {d} {v} the {a} {n}\n{a} {n} : {t} {v} {n} plan\n\
                 How {t} {v} a {a} {n} with one {n}\n{n} and {n} : what {t} {d} {v} next\nReport : {a} {n} {v} the {n} in {t}",
            ),
        },
        Language {
            tag: "de",
            openers: lines(
                "Ehrlich\nAlso\nNa gut ,\nHeute früh\nKomisch ,\nIch glaube ,\nGerade gelesen :\nMal wieder\nEndlich :\nKein Witz ,\n\
                 Meine Nachbarin sagt ,\nHoffentlich\nSchade ,\nStimmt ,\nWie immer\nNoch einmal :",
            ),
            closers: lines(
                "oder nicht?\n, wie immer\n, leider\nbis Sonntag\nseit März\nim Regen\n, endlich\nvor dem Essen\n, finde ich\n\
                 diese Woche\nund gut ist\n, was meint ihr?\nden ganzen Tag\n, ganz ehrlich\nzum Glück",
            ),
            nouns: list(
                "Brücke Hafen Schule Fähre Markt Garten Bücherei Haushalt Lehrerin Rat Straße Fest Museum Küche Fluss Karte \
                 Bäckerei Bahnhof Krankenhaus Orchester Dorf Wald Zeitung Frage Debatte Rede Chor Winter Kaffee Fahrrad Tunnel \
                 Leuchtturm Spielplatz Theater Motor Brief Insel Ausschuss Nachbar Foto Rezept Turm Wiese Kanal Fenster Konzert \
                 Torwart Roman Plakat Tram Rente Ernte Werkstatt Laterne Tal Drucker Schirm Umfrage",
            ),
            verbs: list(
                "öffnet schließt gewinnt verliert ändert überrascht enttäuscht verfolgt braucht baut repariert begrüßt \
                 übersieht verschiebt unterstützt erklärt schlägt verpasst trägt malt misst leiht vergisst ersetzt besucht \
                 verteidigt wärmt hebt prüft feiert meldet sucht",
            ),
            adjectives: list(
                "alte neue stille laute helle leere volle teure billige seltsame großartige öde späte frühe kaputte bekannte \
                 ferne grüne schwere ehrliche plötzliche langsame goldene müde frische offene wilde schmale bescheidene sture",
            ),
            adverbs: list(
                "wirklich kaum langsam endlich fast immer nie oft leise plötzlich wieder wohl sicher schon selten klar gern",
            ),
            templates: lines(
                "{t} {v} {d} die {a} {n} und meine {n}\nwarum {v} {t} die {n} {d} , wenn die {n} {a} ist ?\n\
                 die {a} {n} von {t} {v} {d} jede {n}\nniemand in {t} {v} eine so {a} {n}\n\
                 ohne {n} {v} {t} {d} keine {a} {n}\nzwischen {n} und {n} ist {d} alles {a}\n\
                 wir warten an der {n} und {t} {v} {d} die {n}\nmeine {a} {n} {v} , was {t} zur {n} sagt\n\
                 eine {n} {v} {d} die {n} , sagt {t}\nhinter der {n} liegt die {a} {n} von {t}",
            ),
            headlines: lines(
                "{t} {v} {a} {n} nach {n}\nWarum {t} die {a} {n} {d} {v}\n{n} in {t} : {a} {n} {v} alles\n\
                 Bericht : {t} {v} {d} die {n}\nSo {v} {t} eine {a} {n} ohne {n}",
            ),
        },
        Language {
            tag: "es",
            openers: lines(
                "La verdad ,\nBueno ,\nHoy\nEsta mañana\nQué raro ,\nCreo que\nAcabo de leer que\nOtra vez\nPor fin\nNo es broma ,\n\
                 Dice mi vecina que\nOjalá\nUna pena ,\nEs cierto ,\nComo siempre\nParece que",
            ),
            closers: lines(
                "o no?\n, como siempre\n, por desgracia\nhasta el domingo\ndesde marzo\nbajo la lluvia\n, por fin\nantes de comer\n\
                 , creo yo\nesta semana\n, y ya está\n, ¿qué opináis?\ntodo el día\n, de verdad\n, menos mal",
            ),
            nouns: list(
                "puente puerto escuela barco mercado jardín biblioteca presupuesto maestra consejo calle fiesta museo cocina río \
                 billete panadería estación hospital orquesta pueblo bosque periódico pregunta debate discurso coro invierno café \
                 bicicleta túnel faro parque teatro motor carta isla comité vecino foto receta torre pradera canal ventana \
                 concierto portero novela cartel tranvía pensión cosecha taller farol valle paraguas encuesta",
            ),
            verbs: list(
                "abre cierra gana pierde cambia sorprende decepciona sigue necesita construye repara recibe ignora retrasa \
                 recuerda apoya explica supera lleva pinta mide olvida reemplaza visita defiende calienta levanta revisa \
                 celebra anuncia busca",
            ),
            adjectives: list(
                "grande verde triste alegre libre fuerte enorme breve simple distante brillante local especial amable difícil \
                 fácil útil inútil posible reciente elegante humilde probable feliz normal puntual leal",
            ),
            adverbs: list(
                "realmente apenas despacio finalmente casi siempre nunca pronto otra vez quizá seguro ya rara claro",
            ),
            templates: lines(
                "{t} {d} {v} otro {n} {a} con mi {n}\n¿por qué {t} {v} cada {n} {d} sin {n} {a} ?\n\
                 cada {n} {a} de {t} {d} {v} algún {n}\nnadie en {t} {v} tanto {n} {a}\nsin {n} {t} {d} {v} nada {a}\n\
                 entre {n} y {n} todo es {d} {a}\nesperamos con {n} mientras {t} {v} su {n} {a}\n\
                 mi {n} {a} {v} lo que {t} dice sobre {n}\notro {n} {d} {v} nuestro {n} , dice {t}",
            ),
            headlines: lines(
                "{t} {v} {n} {a} tras {n}\nPor qué {t} {d} {v} su {n} {a}\n{n} en {t} : {n} {a} lo {v} todo\n\
                 Informe : {t} {d} {v} cada {n}\nCómo {t} {v} un {n} {a} sin {n}",
            ),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn sentences_read_like_sentences() {
        let languages = languages();
        let topics = vec!["Velmora".to_owned(), "Tarn".to_owned()];
        let mut draw = Draw::new(5, "words");
        let text: Vec<String> = languages
            .iter()
            .flat_map(|language| {
                let post = language.post(&mut draw, &topics);
                let near = language.paraphrase(&post, 0.15, &mut draw);
                [post.text(), near, language.headline(&mut draw, &topics).text()]
            })
            .collect();
        expect![[r#"
            Cannot believe why is the festival always so splendid when Velmora questions the survey? and I love it
            Cannot believe why is the festival probably so splendid when Velmora questions the survey? and I love it 👇
            actor and bicycle: what Velmora often remembers next
            zwischen Konzert und Fenster ist immer alles grüne
            zwischen Konzert und Fenster ist immer alles grüne
            Schule in Velmora: grüne Rente schließt alles
            sin carta Tarn siempre levanta nada breve. nadie en Velmora cierra tanto teatro feliz
            sin carta Tarn siempre levanta nada breve. nadie en Velmora decepciona tanto teatro feliz
            Cómo Velmora reemplaza un hospital alegre sin torre"#]]
        .assert_eq(&text.join("\n"));
    }

    #[test]
    fn a_paraphrase_without_changes_is_a_copy() {
        let languages = languages();
        let mut draw = Draw::new(6, "words");
        let topics = vec!["Velmora".to_owned()];
        let post = languages[0].post(&mut draw, &topics);
        assert_eq!(post.text(), languages[0].paraphrase(&post, 0.0, &mut draw));
    }

    #[test]
    fn slugs_are_plain() {
        assert_eq!(slug("Why the Brücke : 3 things!"), "why-the-brcke-3-things");
    }
}
