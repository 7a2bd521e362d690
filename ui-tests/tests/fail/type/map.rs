use std::collections::HashMap;

use traced::traced;

#[traced(attr(tags))]
fn load(tags: &HashMap<String, String>) {}

fn main() {
    load(&HashMap::new());
}
