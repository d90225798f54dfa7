//! What a near miss needs to pass the test.

use messages::cluster::{ClusterMessage, Status};

use crate::description;

/// Maximum number of further posts that a prediction names.
const MOST_POSTS: f64 = 10_000.0;
/// Share of repeating posts from which on people near the group may be members.
const NEAR_LIKE_MEMBERS: f64 = 0.05;

/// The nats that a near miss lacks. `None` for other findings.
pub fn lacks(c: &ClusterMessage) -> Option<f64> {
    let test = c.test.filter(|_| c.status == Status::NearMiss)?;
    Some((test.bar - c.log_e_leave_one_source_out).max(0.0))
}

/// What a near miss needs, in sentences. Empty for other findings.
pub fn wanting(c: &ClusterMessage) -> Vec<String> {
    let (Some(lacks), Some(test), Some(best)) = (lacks(c), c.test, description::best_window(c)) else {
        return Vec::new();
    };
    let mut wanting = vec![format!(
        "It lacks {} nats: without its strongest source it has {}, and the threshold for this group is {}.",
        text_format::number(lacks),
        text_format::number(c.log_e_leave_one_source_out),
        text_format::number(test.bar)
    )];
    let (_, posts) = description::repeats(&best.group);
    // The evidence without the strongest source must reach the threshold, so its rate counts.
    let pace = c.log_e_leave_one_source_out / posts.max(1) as f64;
    let more = (lacks / pace).ceil();
    if pace > 0.0 && more.max(1.0) <= MOST_POSTS {
        wanting.push(format!(
            "It would pass after {} like its {} so far, which gave {} nats each without that source.",
            text_format::count(more.max(1.0) as u64, "more post"),
            text_format::thousands(posts),
            text_format::number(pace)
        ));
    } else {
        wanting.push(format!(
            "More posts of the same kind are not enough: its {} so far gave {} nats without that source.",
            text_format::count(posts, "post"),
            text_format::number(c.log_e_leave_one_source_out)
        ));
    }
    if let Some(source) = description::best_source(c).filter(|_| c.log_e - c.log_e_leave_one_source_out > lacks) {
        wanting.push(format!(
            "Alternatively, a second source as strong as {} {}: with that source it has {} nats.",
            source.kind,
            text_format::shorten(&source.source, 60),
            text_format::number(c.log_e)
        ));
    }
    let (near, of_near) = description::repeats(&best.near);
    if of_near >= description::FEWEST_NEAR && near as f64 >= NEAR_LIKE_MEMBERS * of_near as f64 {
        wanting.push(format!(
            "Alternatively, a larger group: people near it repeat it in {} of their posts. If they are members, the proposed group was too \
             small; until then their posts are evidence against it.",
            text_format::part(near, of_near)
        ));
    }
    wanting.push(format!(
        "The threshold depends on its place among all proposed groups (number {}). It does not rise any more, and falls a little when \
         another group passes.",
        text_format::thousands(test.number + 1)
    ));
    wanting
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn a_near_miss_says_what_it_lacks() {
        let mut c = fixtures::near_miss("n");
        assert_eq!(wanting(&fixtures::cluster("a", 1)), [""; 0], "it passed");
        let lack = c.test.unwrap().bar - c.log_e_leave_one_source_out;
        let all = wanting(&c).join("\n");
        assert!(all.starts_with(&format!("It lacks {} nats", text_format::number(lack))), "{all}");
        let posts: u64 = c.windows[1].group.iter().sum();
        let more = (lack * posts as f64 / c.log_e_leave_one_source_out).ceil() as u64;
        assert!(all.contains(&format!("after {more} more posts like its {posts} so far")), "{all}");
        assert!(all.contains("number 182"), "{all}");
        assert!(all.contains("people near it repeat it in 12 % of their posts"), "{all}");
        c.windows.iter_mut().for_each(|window| window.losses -= 20.0);
        c.windows.iter_mut().for_each(|window| window.near = [0, 0, 0, 0, 49]);
        fixtures::settle(&mut c);
        let all = wanting(&c).join("\n");
        assert!(all.contains("posts of the same kind are not enough") && !all.contains("a larger group"), "{all}");
    }
}
