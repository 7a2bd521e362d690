//! Links lead to files and headings that are there.

use crate::page::{pages, read};

/// What stands in `](…)`, without web addresses.
fn targets(prose: &str) -> Vec<&str> {
    let after = prose.split("](").skip(1);
    let targets = after.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.starts_with("http")).collect()
}

/// The names that headings have in links.
fn anchors(text: &str) -> Vec<String> {
    let mut fenced = false;
    let headings = text.lines().filter_map(|line| {
        fenced ^= line.starts_with("```");
        let title = line.trim_start_matches('#').strip_prefix(' ')?;
        (line.starts_with('#') && !fenced).then_some(title)
    });
    let name = |title: &str| {
        let title = title.trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(name).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let mut broken = Vec::new();
    let mut count = 0;
    for page in pages() {
        let prose = page.prose();
        for target in targets(&prose) {
            count += 1;
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let to = if file.is_empty() { page.path.clone() } else { page.path.parent().unwrap().join(file) };
            let is_there = to.exists();
            let has_heading = is_there
                && (heading.is_empty() || anchors(&read(&to)).iter().any(|anchor| anchor == heading));
            if !has_heading {
                broken.push(format!("{}: {target}", page.name()));
            }
        }
    }
    assert!(count > 50, "only {count} links were found");
    assert!(broken.is_empty(), "these lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_file_of_the_guides_is_linked_from_a_page() {
    let linked: Vec<_> = pages()
        .iter()
        .flat_map(|page| {
            let folder = page.path.parent().unwrap().to_owned();
            let prose = page.prose();
            let files = targets(&prose)
                .into_iter()
                .filter(|target| !target.starts_with('#'))
                .map(move |target| folder.join(target.split('#').next().unwrap()));
            files.filter_map(|file| file.canonicalize().ok()).collect::<Vec<_>>()
        })
        .collect();
    let quoted = |path: &std::path::Path| {
        // A configuration that another one reads is reached through that one.
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        crate::page::files("yaml").iter().any(|other| other != path && read(other).contains(&name))
    };
    for ending in ["md", "yaml", "yml"] {
        for path in crate::page::files(ending) {
            let path = path.canonicalize().unwrap();
            let found = linked.iter().any(|linked| path.starts_with(linked)) || quoted(&path);
            assert!(found, "nothing leads to {}", path.display());
        }
    }
}

#[test]
fn headings_have_the_names_that_links_use() {
    let text = "# Two services\n```sh\n# none\n```\n## The parent is wrong, or there are two traces\n";
    assert_eq!(anchors(text), ["two-services", "the-parent-is-wrong-or-there-are-two-traces"]);
}
