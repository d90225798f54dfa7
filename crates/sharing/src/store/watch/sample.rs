//! The sample of groups that reviewers are asked about, and their answers.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    super::{
        Store, StoreError,
        audit_log::append_audit,
        database::{Row, values},
    },
    GROUP, GroupRow, change_labels, group_row, read_group,
};
use casework::{
    audit::Entry,
    watch::{
        estimate::Answers,
        sample::{Answer, Stratum, draw},
        subject,
    },
};

/// A draw from one part of the groups.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct DrawRow {
    pub stratum: Stratum,
    /// Groups in it at the time of the draw.
    pub population: i64,
    /// Groups drawn.
    pub drawn: i64,
    pub drawn_at: Timestamp,
}

/// What a reviewer answered.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct AnswerRow {
    pub answer: Answer,
    pub by: String,
    pub at: Timestamp,
    /// The version that the person saw.
    pub version: u32,
    pub reason: String,
}

/// A group of the sample.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct SampledRow {
    #[serde(flatten)]
    pub group: GroupRow,
    /// Part of the groups from which it was drawn.
    pub stratum: Stratum,
    pub answer: Option<AnswerRow>,
}

fn stratum_of(name: &str) -> Result<Stratum, StoreError> {
    Stratum::from_name(name)
        .ok_or_else(|| StoreError::Unreadable { what: "a stratum of the sample", why: format!("{name:?} is unknown") })
}

fn answer_row(row: &mut Row, from: usize) -> Result<Option<AnswerRow>, StoreError> {
    let Some(name) = row.take::<Option<String>>(from)? else { return Ok(None) };
    let answer = Answer::from_name(&name)
        .ok_or_else(|| StoreError::Unreadable { what: "an answer", why: format!("{name:?} is unknown") })?;
    let version: i64 = row.take(from + 3)?;
    Ok(Some(AnswerRow {
        answer,
        by: row.take(from + 1)?,
        at: row.take(from + 2)?,
        version: u32::try_from(version).unwrap_or(u32::MAX),
        reason: row.take(from + 4)?,
    }))
}

const ANSWER: &str = "answer, answered_by, answered_at, version, reason";

impl Store {
    /// Draws a sample, if the last draw is older than `every` or there was none. Returns whether it was drawn.
    pub fn draw_sample(
        &self,
        seed: u64,
        most: usize,
        every: SignedDuration,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(|tx| {
            let mut row = tx.row("select coalesce(max(draw), 0), max(drawn_at) from watch_draws", values![])?;
            let (last, at): (i64, Option<Timestamp>) = match &mut row {
                Some(row) => (row.take(0)?, row.take(1)?),
                None => (0, None),
            };
            if at.is_some_and(|at| now.duration_since(at) < every) {
                return Ok(false);
            }
            let mut groups = Vec::new();
            for row in tx.rows(&format!("select {GROUP} from watch_groups where standing <> 'gone'"), values![])? {
                let group = group_row(row)?.group;
                groups.extend(Stratum::of(&group).map(|stratum| (group.cluster_id, stratum)));
            }
            // A draw from nothing would only put the next one off.
            if groups.is_empty() {
                return Ok(false);
            }
            let number = last + 1;
            let drawn = draw(&groups, seed, u32::try_from(number).unwrap_or(u32::MAX), most);
            let mut texts = Vec::new();
            for part in &drawn {
                tx.run(
                    "insert into watch_draws (draw, stratum, drawn_at, seed, population, drawn) values (?1, ?2, ?3, ?4, ?5, ?6)",
                    values![number, part.stratum.name(), now, seed.to_string(), part.population, part.chosen.len()],
                )?;
                for id in &part.chosen {
                    tx.run(
                        "insert into watch_sample (draw, cluster_id, stratum) values (?1, ?2, ?3)",
                        values![number, id, part.stratum.name()],
                    )?;
                }
                texts.push(format!(
                    "{} of {} {} ({})",
                    part.chosen.len(),
                    part.population,
                    part.stratum.name().replace('_', " "),
                    part.chosen.join(", ")
                ));
            }
            let entry = Entry {
                at: now,
                actor: "lockstep".to_owned(),
                subject: "watch list".to_owned(),
                action: "sample_drawn".to_owned(),
                text: format!("draw {number} with seed {seed}: {}", texts.join("; ")),
            };
            append_audit(tx, vec![entry])?;
            Ok(true)
        })
    }

    /// Groups of the sample, those without an answer first, each in its latest draw.
    pub fn sampled_groups(&self, only_waiting: bool, limit: usize) -> Result<Vec<SampledRow>, StoreError> {
        let columns: Vec<String> = GROUP.split(',').map(|name| format!("w.{}", name.trim())).collect();
        let waiting = if only_waiting { "and a.answer is null" } else { "" };
        let sql = format!(
            "select {}, s.stratum, a.answer, a.answered_by, a.answered_at, a.version, a.reason
             from watch_sample s join watch_groups w on w.cluster_id = s.cluster_id
                  left join watch_answers a on a.cluster_id = s.cluster_id
             where s.draw = (select max(t.draw) from watch_sample t where t.cluster_id = s.cluster_id) {waiting}
             order by case when a.answer is null then 0 else 1 end, s.draw, s.stratum, s.cluster_id limit {limit}",
            columns.join(", ")
        );
        self.read(|db| {
            db.rows(&sql, values![])?
                .into_iter()
                .map(|mut row| {
                    let stratum = stratum_of(&row.take::<String>(columns.len())?)?;
                    let answer = answer_row(&mut row, columns.len() + 1)?;
                    Ok(SampledRow { stratum, answer, group: group_row(row)? })
                })
                .collect()
        })
    }

    /// The stratum in which a group was drawn, if it is in the sample, and what was answered.
    pub fn sample_of(&self, cluster_id: &str) -> Result<Option<(Stratum, Option<AnswerRow>)>, StoreError> {
        if cluster_id.contains('\0') {
            return Ok(None);
        }
        self.read(|db| {
            let sql = "select stratum from watch_sample where cluster_id = ?1 order by draw desc limit 1";
            let Some(stratum) = db.value::<String>(sql, values![cluster_id])? else { return Ok(None) };
            let row =
                db.row(&format!("select {ANSWER} from watch_answers where cluster_id = ?1"), values![cluster_id])?;
            let answer = row.map(|mut row| answer_row(&mut row, 0)).transpose()?.flatten();
            Ok(Some((stratum_of(&stratum)?, answer)))
        })
    }

    /// Keeps an answer about a group of the sample that has the revision `seen`. Somebody else's answer stands.
    pub fn answer_sample(&self, cluster_id: &str, seen: i64, answer: &AnswerRow) -> Result<(), StoreError> {
        self.write(|tx| {
            let row = read_group(tx, cluster_id)?;
            let other = "select answered_by from watch_answers where cluster_id = ?1 and answered_by <> ?2";
            let others = tx.row(other, values![cluster_id, &answer.by])?.is_some();
            if others || row.is_none_or(|row| row.revision != seen) {
                return Err(StoreError::Conflict(subject(cluster_id)));
            }
            tx.run(
                "insert into watch_answers (cluster_id, answer, answered_by, answered_at, version, reason)
                 values (?1, ?2, ?3, ?4, ?5, ?6)
                 on conflict (cluster_id) do update set answer = ?2, answered_at = ?4, version = ?5, reason = ?6",
                values![cluster_id, answer.answer.name(), &answer.by, answer.at, answer.version, &answer.reason],
            )?;
            let entry = Entry {
                at: answer.at,
                actor: answer.by.clone(),
                subject: subject(cluster_id),
                action: "sample_answered".to_owned(),
                text: format!(
                    "version {}, {}: {}",
                    answer.version,
                    answer.answer.name().replace('_', " "),
                    answer.reason
                ),
            };
            append_audit(tx, vec![entry.clone()])?;
            change_labels(tx, cluster_id, answer.answer.label(), &entry, Some(&answer.reason))
        })
    }

    /// The parts of the last draw.
    pub fn last_draw(&self) -> Result<Vec<DrawRow>, StoreError> {
        self.read(|db| {
            let sql = "select stratum, population, drawn, drawn_at from watch_draws
                       where draw = (select max(draw) from watch_draws) order by stratum";
            let rows = db.rows(sql, values![])?.into_iter().map(|mut row| {
                Ok(DrawRow {
                    stratum: stratum_of(&row.take::<String>(0)?)?,
                    population: row.take(1)?,
                    drawn: row.take(2)?,
                    drawn_at: row.take(3)?,
                })
            });
            rows.collect()
        })
    }

    /// What is known of each part of the groups: its size at the last draw, and the answers about all draws that are kept. A group
    /// that was drawn more than once counts once, as in its latest draw.
    pub fn sample_answers(&self) -> Result<Vec<Answers>, StoreError> {
        let population: BTreeMap<Stratum, i64> =
            self.last_draw()?.into_iter().map(|part| (part.stratum, part.population)).collect();
        let rows = self.read(|db| {
            let sql = "select s.stratum, d.population, d.drawn, a.answer
                       from watch_sample s join watch_draws d on d.draw = s.draw and d.stratum = s.stratum
                            left join watch_answers a on a.cluster_id = s.cluster_id
                       where s.draw = (select max(t.draw) from watch_sample t where t.cluster_id = s.cluster_id)
                       order by s.draw, s.cluster_id";
            let rows = db.rows(sql, values![])?.into_iter().map(|mut row| {
                let (stratum, size, drawn): (String, i64, i64) = (row.take(0)?, row.take(1)?, row.take(2)?);
                let weight = size as f64 / drawn.max(1) as f64;
                let answer = row.take::<Option<String>>(3)?;
                Ok((stratum_of(&stratum)?, weight, answer.and_then(|name| Answer::from_name(&name))))
            });
            rows.collect::<Result<Vec<_>, StoreError>>()
        })?;
        let mut found: BTreeMap<Stratum, Answers> = BTreeMap::new();
        let empty = |stratum: Stratum| Answers {
            stratum,
            population: population.get(&stratum).map_or(0, |n| n.unsigned_abs()),
            waiting: 0,
            unclear: 0,
            answers: Vec::new(),
        };
        for stratum in population.keys() {
            found.insert(*stratum, empty(*stratum));
        }
        for (stratum, weight, answer) in rows {
            let of = found.entry(stratum).or_insert_with(|| empty(stratum));
            match answer {
                None => of.waiting += 1,
                Some(Answer::CannotTell) => of.unclear += 1,
                Some(answer) => of.answers.push((weight, answer == Answer::Inauthentic)),
            }
        }
        Ok(found.into_values().collect())
    }
}
