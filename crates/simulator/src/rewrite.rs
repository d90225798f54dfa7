//! One message in many different sentences, as a language model would rewrite it.
//!
//! A message has five slots: a topic, a verb, an adjective and two nouns. For each language, a
//! grammar of openings, statements and endings puts the slots into thousands of sentences that
//! share little more than the slots. Any two of them are not near-duplicates by their characters.

use crate::{draw::Draw, words::Slots};

struct Grammar {
    openings: &'static [&'static str],
    /// Templates: `{t}` is the topic, `{v}` the verb, `{a}` the adjective, `{n}` and `{m}` are
    /// nouns.
    statements: &'static [&'static str],
    endings: &'static [&'static str],
}

/// A sentence with the message, in the language of this tag. Without a draw it is the master copy,
/// always the same.
pub(crate) fn say(tag: &str, slots: &Slots<'_>, draw: Option<&mut Draw>) -> String {
    let grammar = match tag {
        "de" => &DE,
        "es" => &ES,
        _ => &EN,
    };
    let (opening, statement, ending) = match draw {
        Some(draw) => (draw.pick(grammar.openings), draw.pick(grammar.statements), draw.pick(grammar.endings)),
        None => (grammar.openings[0], grammar.statements[0], grammar.endings[0]),
    };
    let statement = statement
        .replace("{t}", slots.topic)
        .replace("{v}", slots.verb)
        .replace("{a}", slots.adjective)
        .replace("{n}", slots.noun)
        .replace("{m}", slots.other);
    format!("{opening} {statement}{ending}")
}

const EN: Grammar = Grammar {
    openings: &[
        "Listen up, folks:",
        "I never thought I would write this, yet",
        "Not many are willing to admit it, though",
        "After yesterday there is no doubt left that",
        "Ask anyone on my street and you hear that",
        "Somebody ought to say out loud that",
        "Been turning this over all weekend:",
        "Quick reminder for whoever missed it,",
        "You do not need a degree to see how",
        "Funny that no headline ever mentions it, but",
        "My grandmother put it best when she said",
        "Let me get one thing straight.",
        "Honest question from a tired parent, because",
        "It keeps me awake at night that",
        "Every single time we talk about it,",
        "Please pass this on:",
        "Three years ago I would have laughed, now",
        "Do not let anybody tell you otherwise,",
        "Those who were there know that",
        "Coming home from work I realised",
        "Call me old-fashioned, only",
        "The numbers are out and guess what,",
        "As a lifelong resident I can confirm",
        "Hard to swallow, still",
        "Sorry for the long thread,",
        "What a morning!",
        "Here is the part they skip:",
        "Just so we are clear,",
    ],
    statements: &[
        "{t} {v} the {a} {n} because of the {m}",
        "when it comes to the {m}, it is always {t} that {v} our {a} {n}",
        "a {n} this {a} would be fine if only {t} and its {m} were not around",
        "the {m} is just an excuse: watch how {t} {v} whatever {n} is {a}",
        "nothing about that {a} {n} makes sense until you look at {t} and the {m}",
        "what {t} calls a {m} {v} every {n}, {a} or not",
        "first came the {m}, next {t}, and in the end a {n} nobody would call {a}",
        "behind the {m} stands {t}, which {v} one {n} after another, however {a}",
        "there used to be a {a} {n} here. Then {t} discovered the {m}",
        "give {t} a {m} and it {v} your {n}, {a} as it may be",
        "why else would {t} bring up the {m} whenever a {a} {n} is at stake",
        "our {n} was {a} long before {t} had heard of any {m}",
        "whoever pays for the {m} should know {t} {v} that {n}, and it is far from {a}",
        "with every {m} that passes, {t} {v} a bit more of what made the {n} {a}",
        "{a} is the last word for a {n} left to {t}, never mind the {m}",
        "you can have the {m} or you can have a {a} {n}; {t} has made its choice",
        "between {t} and a working {n} there is but one {a} {m}",
        "the whole {m} was {a} talk: meanwhile {t} {v} the {n}",
        "show me one {n} that {t} has kept {a} without some {m}",
        "people lose patience with {t}: the {n}, once {a}, {v} nothing but a {m}",
        "{t}? The same {m} again, and the {n} gets less {a} by the day",
        "if this {m} is the answer, then {t} has not understood how {a} a {n} can be",
        "no {m} on earth explains the way {t} {v} such a {a} {n}",
        "it took {t} a single {m} to turn the {n} into something {a}",
    ],
    endings: &[
        ".",
        ", and you may quote me on that.",
        ". Think about it!",
        ", while half the town looks away.",
        " – enough is enough.",
        ". Who is with me?",
        ", so talk to your neighbours tonight.",
        ". I rest my case.",
        ", whatever the experts tell you.",
        ". We deserve better than this.",
        ", mark my words!",
        ". Let that sink in for a minute.",
        ", as it was bound to happen.",
        ". Share before it disappears.",
        ", and nobody will be held responsible.",
        ". Time to speak up, friends.",
        ", if you ask me and I know you did not.",
        ". Shame on all of us.",
        ", believe it or leave it.",
        ". My children will pay for it.",
        ", which is exactly what I warned about in spring.",
        ". Make of that what you will.",
        ", full stop.",
        ". See you on Saturday at the square!",
    ],
};

const DE: Grammar = Grammar {
    openings: &[
        "Mal herhören, Leute:",
        "Ich wollte eigentlich schweigen, doch",
        "Kaum jemand gibt es gern zu:",
        "Seit gestern ist für mich klar,",
        "Frag irgendwen in meiner Straße,",
        "Einer muss es ja laut aussprechen:",
        "Das ganze Wochenende gegrübelt, Ergebnis:",
        "Zur Erinnerung für alle, die es verpasst haben:",
        "Man braucht kein Studium, um zu sehen:",
        "Komisch, in keiner Schlagzeile steht es, aber",
        "Meine Großmutter hatte recht, denn",
        "Damit wir uns richtig verstehen:",
        "Ehrliche Frage eines müden Vaters, schließlich",
        "Nachts liege ich wach, weil ich weiß:",
        "Jedes Mal dasselbe Spiel,",
        "Bitte weitersagen!",
        "Vor drei Jahren hätte ich gelacht, heute",
        "Lasst euch nichts einreden,",
        "Wer dabei war, weiß Bescheid:",
        "Auf dem Heimweg fiel mir auf:",
        "Nennt mich altmodisch, nur",
        "Die Zahlen liegen vor und siehe da,",
    ],
    statements: &[
        "{t} {v} unsere {a} {n}, und schuld daran: {m}",
        "geht es um {m}, dann immer auf Kosten von {n}, {a} hin oder her, typisch {t}",
        "ohne {t} hätten wir längst eine {a} {n} und bräuchten keine {m}",
        "{m} dient bloß als Vorwand: in Wahrheit {v} {t} jede noch so {a} {n}",
        "an dieser {a} {n} ergibt nichts Sinn, bis man {t} samt {m} betrachtet",
        "was {t} als {m} verkauft, {v} am Ende {n}, ob {a} oder nicht",
        "zuerst kam {m}, danach {t}, übrig blieb eine {n}, die niemand {a} nennen würde",
        "hinter {m} steckt {t}, dort {v} man eine {a} {n} nach der anderen",
        "hier gab es einmal eine {a} {n}. Dann entdeckte {t} das Thema {m}",
        "gib {t} nur {m} in die Hand, schon {v} es deine {n}, mag sie {a} sein",
        "warum sonst redet {t} von {m}, sobald eine {a} {n} auf dem Spiel steht",
        "lange bevor {t} etwas von {m} gehört hatte, war jede {n} hier {a}",
        "wer {m} bezahlt, soll wissen: {t} {v} die {n} und nennt das {a}",
        "mit jedem Tag voller {m} {v} {t} ein Stück mehr von der {a} {n}",
        "entweder {m} oder eine {a} {n}; {t} hat sich entschieden",
        "das Gerede um {m} war Ablenkung, währenddessen {v} {t} die {a} {n}",
        "zeig mir eine {n}, die bei {t} ohne {m} so {a} geblieben ist",
        "{t}? Wieder {m}, und um die {a} {n} kümmert sich keiner",
    ],
    endings: &[
        ".",
        ", da dürft ihr mich zitieren.",
        ". Denkt mal darüber nach!",
        ", und die halbe Stadt schaut weg.",
        " – jetzt reicht es wirklich.",
        ". Wer macht mit?",
        ", sprecht heute Abend mit euren Nachbarn.",
        ". Mehr sage ich nicht dazu.",
        ", egal was Fachleute behaupten.",
        ". Wir haben Besseres verdient.",
        ", ihr werdet an mich denken!",
        ". Lasst das kurz wirken.",
        ", es musste ja so kommen.",
        ". Teilen, bevor es verschwindet.",
        ", verantwortlich ist wieder niemand.",
        ". Zeit, den Mund aufzumachen.",
        ", meine Meinung, ungefragt.",
        ". Schämen sollten wir uns.",
        ". Unsere Kinder zahlen dafür.",
        ", genau davor habe ich im Frühling gewarnt.",
    ],
};

const ES: Grammar = Grammar {
    openings: &[
        "Escuchad un momento:",
        "Nunca creí que escribiría esto, pero",
        "Pocos se atreven a admitirlo, aunque",
        "Después de lo de ayer no cabe duda:",
        "Pregunta a cualquiera de mi calle y verás que",
        "Alguien tenía que decirlo en voz alta:",
        "Llevo todo el fin de semana dándole vueltas,",
        "Recordatorio rápido para despistados:",
        "No hace falta una carrera para entender que",
        "Curioso que ningún titular lo mencione, pues",
        "Mi abuela lo explicaba mejor que nadie:",
        "Vamos a dejar clara una cosa.",
        "Pregunta sincera de una madre cansada, porque",
        "Me quita el sueño pensar que",
        "Siempre la misma historia:",
        "Pasadlo, por favor:",
        "Hace tres años me habría reído, ahora",
        "Que no te cuenten otra cosa,",
        "Quienes estuvimos allí sabemos que",
        "Volviendo del trabajo me di cuenta:",
        "Llámame antiguo, solo que",
        "Han salido los datos y, sorpresa,",
    ],
    statements: &[
        "{t} {v} el {n} más {a} por culpa de {m}",
        "en cuanto se habla de {m}, ahí aparece {t} y {v} nuestro {n}, tan {a}",
        "tendríamos un {n} bien {a} si no fuera por {t} con su {m}",
        "eso de {m} es una excusa: mirad cómo {t} {v} cualquier {n} {a}",
        "nada de ese {n} {a} tiene sentido hasta que uno mira a {t} y su {m}",
        "lo que {t} llama {m} {v} cada {n}, sea o no {a}",
        "primero vino {m}, luego {t}, y al final quedó un {n} que nadie diría {a}",
        "detrás de {m} está {t}, que {v} un {n} tras otro, por muy {a} que sea",
        "aquí hubo una vez un {n} {a}. Entonces {t} descubrió {m}",
        "dale {m} a {t} y verás cómo {v} tu {n}, {a} y todo",
        "por qué si no sacaría {t} lo de {m} cuando peligra un {n} {a}",
        "mucho antes de que {t} oyera hablar de {m} ya era {a} este {n}",
        "quien paga {m} debería saber que {t} {v} ese {n}, nada {a}",
        "con cada {m} que pasa {t} {v} otro poco del {n} que era {a}",
        "o {m} o un {n} {a}; {t} ya eligió",
        "tanto ruido con {m} fue distracción: mientras, {t} {v} el {n} {a}",
        "enséñame un solo {n} que {t} haya dejado {a} sin {m}",
        "¿{t}? Otra vez {m}, y del {n} {a} no se ocupa nadie",
    ],
    endings: &[
        ".",
        ", y podéis citarme.",
        ". ¡Pensadlo bien!",
        ", con medio pueblo mirando hacia otro lado.",
        " – ya basta, de verdad.",
        ". ¿Quién se apunta?",
        ", así que habla esta noche con tus vecinos.",
        ". No tengo más que añadir.",
        ", digan lo que digan los expertos.",
        ". Merecemos algo mejor.",
        ", acordaos de mis palabras.",
        ". Tómate un minuto para asimilarlo.",
        ", tenía que pasar tarde o temprano.",
        ". Compartid antes de que lo borren.",
        ", y nadie responderá por ello.",
        ". Hora de levantar la voz, amigos.",
        ", si me preguntáis a mí.",
        ". Qué vergüenza la nuestra.",
        ". Lo pagarán mis hijos.",
        ", justo lo que avisé en primavera.",
    ],
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::words::languages;

    fn grams(text: &str) -> BTreeSet<Vec<char>> {
        let letters: Vec<char> = text.to_lowercase().chars().collect();
        letters.windows(5).map(<[char]>::to_vec).collect()
    }

    /// The engine treats texts as copies if the estimated Jaccard similarity of their 5-grams is
    /// above about one half.
    #[test]
    fn rewrites_are_no_near_duplicates() {
        let topics = vec!["Velmora".to_owned()];
        let mut draw = Draw::new(3, "rewrite");
        for language in &languages() {
            let slots = language.slots(&mut draw, &topics);
            let texts: Vec<String> = (0..60).map(|_| say(language.tag, &slots, Some(&mut draw))).collect();
            for text in &texts {
                for slot in [slots.topic, slots.noun] {
                    assert!(text.contains(slot), "{text} lacks {slot}");
                }
            }
            let (mut pairs, mut near, mut sum) = (0.0, 0.0, 0.0);
            for (place, a) in texts.iter().enumerate() {
                for b in &texts[..place] {
                    let (a, b) = (grams(a), grams(b));
                    let alike = a.intersection(&b).count() as f64 / a.union(&b).count() as f64;
                    pairs += 1.0;
                    sum += alike;
                    near += f64::from(u8::from(alike >= 0.5));
                }
            }
            assert!(sum / pairs < 0.2, "{}: mean {}", language.tag, sum / pairs);
            assert!(near / pairs < 0.01, "{}: {} near", language.tag, near / pairs);
        }
    }
}
