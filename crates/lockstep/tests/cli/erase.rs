//! What `lockstep erase` refuses.

use super::*;

#[test]
fn a_place_without_stores_and_a_wrong_account_are_named() {
    let here = Workspace::new();
    here.run(&["erase", "account", "twitter"]).ends(2).says(&["write it as PLATFORM:ID"]);
    here.run(&["erase", "account", "twitter:1"]).ends(1).says(&["there is neither a log nor a sharing database"]);
}
