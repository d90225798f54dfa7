//! What would have to be true for a group that came close to pass.

use messages::cluster::{ClusterMessage, Status};

use crate::description;

/// More posts than this are no longer "a few more of the same".
const MOST_POSTS: f64 = 10_000.0;
/// Part of the posts of people near a group from which on they may be members themselves.
const NEAR_LIKE_MEMBERS: f64 = 0.05;

/// How many nats a near miss lacks; `None` for whatever is none.
pub fn lacks(c: &ClusterMessage) -> Option<f64> {
    let test = c.test.filter(|_| c.status == Status::NearMiss)?;
    Some((test.bar - c.log_e_leave_one_source_out).max(0.0))
}

/// What a near miss would need, a sentence each; empty for whatever is none.
pub fn wanting(c: &ClusterMessage) -> Vec<String> {
    let (Some(lacks), Some(test), Some(best)) = (lacks(c), c.test, description::best_window(c)) else {
        return Vec::new();
    };
    let mut wanting = vec![format!(
        "It lacks {} nats: without its strongest source it has {}, and the bar for this group is {}.",
        text_format::number(lacks),
        text_format::number(c.log_e_leave_one_source_out),
        text_format::number(test.bar)
    )];
    let (_, posts) = description::repeats(&best.group);
    // What must reach the bar is what is left without the strongest source, so that is the pace which counts.
    let pace = c.log_e_leave_one_source_out / posts.max(1) as f64;
    let more = (lacks / pace).ceil();
    if pace > 0.0 && more.max(1.0) <= MOST_POSTS {
        wanting.push(format!(
            "It would pass after {} if they were like its {} so far, which gave {} nats each without that source.",
            text_format::count(more.max(1.0) as u64, "more post"),
            text_format::thousands(posts),
            text_format::number(pace)
        ));
    } else {
        wanting.push(format!(
            "More of the same would not do: its {} so far gave {} nats without that source.",
            text_format::count(posts, "post"),
            text_format::number(c.log_e_leave_one_source_out)
        ));
    }
    if let Some(source) = description::best_source(c).filter(|_| c.log_e - c.log_e_leave_one_source_out > lacks) {
        wanting.push(format!(
            "Or a second source as strong as {} {}: with that one it has {} nats.",
            source.kind,
            text_format::shorten(&source.source, 60),
            text_format::number(c.log_e)
        ));
    }
    let (near, of_near) = description::repeats(&best.near);
    if of_near >= description::FEWEST_NEAR && near as f64 >= NEAR_LIKE_MEMBERS * of_near as f64 {
        wanting.push(format!(
            "Or the group was proposed too small: people near it repeat it in {} of their posts. If they belong to it, a larger group \
             would show it; until then they speak against it.",
            text_format::part(near, of_near)
        ));
    }
    wanting.push(format!(
        "The bar comes from its place among all proposed groups (number {}). It does not rise any more, and falls a little whenever \
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
        assert!(all.contains(&format!("after {more} more posts if they were like its {posts} so far")), "{all}");
        assert!(all.contains("more posts if they were like its") && all.contains("number 182"), "{all}");
        assert!(all.contains("people near it repeat it in 12 % of their posts"), "{all}");
        c.windows.iter_mut().for_each(|window| window.losses -= 20.0);
        c.windows.iter_mut().for_each(|window| window.near = [0, 0, 0, 0, 49]);
        fixtures::settle(&mut c);
        let all = wanting(&c).join("\n");
        assert!(all.contains("More of the same would not do") && !all.contains("proposed too small"), "{all}");
    }
}
