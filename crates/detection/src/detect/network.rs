//! The network of ties as GraphML and GEXF, which Gephi, igraph and networkx read.
//!
//! A node is an account that has a tie or that a group names; an edge is a tie. Node ids are
//! `platform:account_id`, as in `ties.csv`.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    io::{self, Write},
};

use coordination::{AccountRef, Tie};
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::{Detection, RankedAccount, name};

/// An attribute of nodes or edges: its name and its type in GraphML and in GEXF.
type Attribute = (&'static str, &'static str);

const NODE: [Attribute; 6] = [
    ("account_id", "string"),
    ("platform", "string"),
    ("account_name", "string"),
    ("status", "string"),
    ("cluster_id", "string"),
    ("posts", "long"),
];
const EDGE: [Attribute; 5] = [
    ("kind", "string"),
    ("co_acts", "long"),
    ("distinct_keys", "long"),
    ("nats", "double"),
    ("median_lag_s", "double"),
];

struct Node<'d> {
    id: String,
    label: &'d str,
    values: [Cow<'d, str>; NODE.len()],
}

struct Link {
    ends: [String; 2],
    weight: f64,
    values: [String; EDGE.len()],
}

/// Nodes and edges, each in order of their ids.
struct Graph<'d> {
    nodes: Vec<Node<'d>>,
    links: Vec<Link>,
}

impl<'d> Graph<'d> {
    fn of(detection: &'d Detection) -> Graph<'d> {
        let mut nodes: BTreeMap<&AccountRef, Option<&RankedAccount>> = BTreeMap::new();
        for Tie { a, b, .. } in &detection.ties {
            nodes.extend([(a, None), (b, None)]);
        }
        let known: HashMap<&AccountRef, &RankedAccount> =
            detection.accounts.iter().map(|ranked| (&ranked.account.evidence.account, ranked)).collect();
        nodes.extend(known.iter().filter(|(_, ranked)| ranked.cluster.is_some()).map(|(account, _)| (*account, None)));
        for (account, ranked) in &mut nodes {
            *ranked = known.get(account).copied();
        }
        let node = |(account, ranked): (&'d AccountRef, Option<&'d RankedAccount>)| {
            let cluster = ranked.and_then(|ranked| ranked.cluster.as_ref());
            let called = ranked.map_or("", |ranked| &ranked.account.evidence.account_name);
            let posts = ranked.map_or(0, |ranked| ranked.account.evidence.posts);
            Node {
                id: name(account),
                label: if called.is_empty() { &account.account_id } else { called },
                values: [
                    account.account_id.as_str().into(),
                    account.platform.as_str().into(),
                    called.into(),
                    cluster.map_or("", |(_, status)| status.name()).into(),
                    cluster.map_or("", |(id, _)| id.as_str()).into(),
                    posts.to_string().into(),
                ],
            }
        };
        let link = |tie: &Tie| Link {
            ends: [name(&tie.a), name(&tie.b)],
            weight: tie.nats,
            values: [
                tie.kind.name().to_owned(),
                tie.co_acts.to_string(),
                // A key counts once, so distinct keys and co-acts are equal.
                tie.co_acts.to_string(),
                format!("{:.4}", tie.nats),
                format!("{:.3}", tie.median_lag_s),
            ],
        };
        let mut links: Vec<Link> = detection.ties.iter().map(link).collect();
        links.sort_by(|x, y| x.ends.cmp(&y.ends));
        Graph { nodes: nodes.into_iter().map(node).collect(), links }
    }
}

/// `network.graphml`.
pub(super) fn write_graphml(detection: &Detection, out: &mut dyn Write) -> io::Result<()> {
    let graph = Graph::of(detection);
    let mut xml = Writer::new_with_indent(out, b' ', 1);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("graphml")
        .with_attribute(("xmlns", "http://graphml.graphdrawing.org/xmlns"))
        .write_inner_content(|xml| {
            for (of, attributes) in [
                ("node", &[("label", "string")][..]),
                ("node", &NODE),
                ("edge", &[("weight", "double")]),
                ("edge", &EDGE),
            ] {
                for (name, kind) in attributes {
                    xml.create_element("key")
                        .with_attributes([("id", *name), ("for", of), ("attr.name", name), ("attr.type", kind)])
                        .write_empty()?;
                }
            }
            xml.create_element("graph")
                .with_attributes([("id", "ties"), ("edgedefault", "undirected")])
                .write_inner_content(|xml| {
                    for node in &graph.nodes {
                        let id = readable(&node.id);
                        xml.create_element("node").with_attribute(("id", &*id)).write_inner_content(|xml| {
                            data(xml, "label", node.label)?;
                            NODE.iter().zip(&node.values).try_for_each(|((name, _), value)| data(xml, name, value))
                        })?;
                    }
                    for link in &graph.links {
                        let [a, b] = link.ends.each_ref().map(|end| readable(end));
                        let ends = [("source", &*a), ("target", &*b)];
                        xml.create_element("edge").with_attributes(ends).write_inner_content(|xml| {
                            data(xml, "weight", &format!("{:.4}", link.weight))?;
                            EDGE.iter().zip(&link.values).try_for_each(|((name, _), value)| data(xml, name, value))
                        })?;
                    }
                    Ok(())
                })?;
            Ok(())
        })?;
    xml.get_mut().write_all(b"\n")
}

fn data<W: Write>(xml: &mut Writer<W>, key: &str, value: &str) -> io::Result<()> {
    if !value.is_empty() {
        let value = readable(value);
        xml.create_element("data").with_attribute(("key", key)).write_text_content(BytesText::new(&value))?;
    }
    Ok(())
}

/// `network.gexf`.
pub(super) fn write_gexf(detection: &Detection, out: &mut dyn Write) -> io::Result<()> {
    let graph = Graph::of(detection);
    let mut xml = Writer::new_with_indent(out, b' ', 1);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let root = [("xmlns", "http://www.gexf.net/1.2draft"), ("version", "1.2")];
    xml.create_element("gexf").with_attributes(root).write_inner_content(|xml| {
        let kind = [("mode", "static"), ("defaultedgetype", "undirected")];
        xml.create_element("graph").with_attributes(kind).write_inner_content(|xml| {
            for (class, attributes) in [("node", &NODE[..]), ("edge", &EDGE)] {
                xml.create_element("attributes").with_attribute(("class", class)).write_inner_content(|xml| {
                    for (name, kind) in attributes {
                        let attribute = [("id", *name), ("title", name), ("type", kind)];
                        xml.create_element("attribute").with_attributes(attribute).write_empty()?;
                    }
                    Ok(())
                })?;
            }
            xml.create_element("nodes").write_inner_content(|xml| {
                for node in &graph.nodes {
                    let (id, label) = (readable(&node.id), readable(node.label));
                    let node_of = [("id", &*id), ("label", &*label)];
                    xml.create_element("node").with_attributes(node_of).write_inner_content(|xml| {
                        values(xml, NODE.iter().zip(&node.values).map(|((name, _), value)| (*name, value.as_ref())))
                    })?;
                }
                Ok(())
            })?;
            xml.create_element("edges").write_inner_content(|xml| {
                for (place, link) in graph.links.iter().enumerate() {
                    let [a, b] = link.ends.each_ref().map(|end| readable(end));
                    let (place, weight) = (place.to_string(), format!("{:.4}", link.weight));
                    let edge = [("id", &*place), ("source", &a), ("target", &b), ("weight", &weight)];
                    xml.create_element("edge").with_attributes(edge).write_inner_content(|xml| {
                        values(xml, EDGE.iter().zip(&link.values).map(|((name, _), value)| (*name, value.as_str())))
                    })?;
                }
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    })?;
    xml.get_mut().write_all(b"\n")
}

fn values<'v, W: Write>(xml: &mut Writer<W>, values: impl Iterator<Item = (&'v str, &'v str)>) -> io::Result<()> {
    xml.create_element("attvalues").write_inner_content(|xml| {
        for (name, value) in values.filter(|(_, value)| !value.is_empty()) {
            let value = readable(value);
            xml.create_element("attvalue").with_attributes([("for", name), ("value", &value)]).write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The text without the characters that XML does not allow even as escapes.
fn readable(text: &str) -> Cow<'_, str> {
    let holds = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..);
    if text.chars().all(holds) {
        return text.into();
    }
    text.chars().map(|c| if holds(c) { c } else { char::REPLACEMENT_CHARACTER }).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use quick_xml::{Reader, events::BytesStart};

    use super::*;
    use crate::detect::tests::detection;

    /// Node ids and the ends of edges, as a strict XML reader finds them.
    fn read(xml: &[u8]) -> (BTreeSet<String>, Vec<[String; 2]>, String) {
        let mut reader = Reader::from_str(std::str::from_utf8(xml).unwrap());
        let (mut nodes, mut edges, mut texts) = (BTreeSet::new(), Vec::new(), String::new());
        let attribute = |tag: &BytesStart<'_>, name: &str| {
            let found = tag.try_get_attribute(name).unwrap().unwrap();
            found.normalized_value(quick_xml::XmlVersion::Implicit1_0).unwrap().into_owned()
        };
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => return (nodes, edges, texts),
                Event::Start(tag) if tag.name().as_ref() == "node" => {
                    assert!(nodes.insert(attribute(&tag, "id")), "one node an account");
                }
                Event::Start(tag) if tag.name().as_ref() == "edge" => {
                    edges.push(["source", "target"].map(|end| attribute(&tag, end)));
                }
                other => texts.push_str(&format!("{other:?}")),
            }
        }
    }

    #[test]
    fn both_files_hold_every_tie_and_every_named_account_whatever_they_are_called() {
        let mut detection = detection();
        let hostile = "<b a=\"1\">&amp;'\u{0}\u{1b}]]>";
        detection.accounts[0].account.evidence.account_name = hostile.to_owned();
        detection.ties[0].b.account_id = format!("7\u{1}<{}", detection.ties[0].b.account_id);
        for write in [write_graphml, write_gexf] {
            let mut out = Vec::new();
            write(&detection, &mut out).unwrap();
            let (nodes, edges, _) = read(&out);
            assert_eq!(edges.len(), detection.ties.len());
            assert!(edges.iter().flatten().all(|end| nodes.contains(end)), "{edges:?}");
            let named = detection.accounts.iter().filter(|ranked| ranked.cluster.is_some());
            for ranked in named {
                assert!(nodes.contains(&name(&ranked.account.evidence.account)));
            }
            assert!(nodes.iter().any(|id| id.contains("7\u{fffd}<")), "{nodes:?}");
        }
    }
}
