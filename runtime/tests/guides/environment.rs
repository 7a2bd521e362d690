//! What the pages say to export, and what the deployment sets, is heeded: each in a process of its own.

use std::process::Command;

use crate::page::pages;
use crate::yaml::load;

const INSIDE: &str = "GUIDES_ENVIRONMENT";

/// What `init` comes to in such an environment.
fn explained(place: &str, variables: &[(String, String)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["environment::what_the_pages_export_is_heeded", "--exact", "--nocapture"]).env(INSIDE, "1");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("OTEL_") || text.starts_with("TRACING_") || text.ends_with("_ENDPOINT") {
            command.env_remove(&name);
        }
    }
    let output = command.envs(variables.iter().cloned()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{place}: {said}");
    said
}

fn is_heeded(place: &str, variables: &[(String, String)]) {
    let explained = explained(place, variables);
    for (name, _) in variables {
        // The argument stands in the sampler's line.
        let says = name.trim_end_matches("_ARG");
        assert!(explained.contains(&format!("({says})\n")), "{place}: {name} says nothing in\n{explained}");
        assert!(
            !explained.contains(&format!("ignored: {name}")),
            "{place}: {name} is ignored in\n{explained}"
        );
    }
}

#[test]
fn what_the_pages_export_is_heeded() {
    if std::env::var_os(INSIDE).is_some() {
        let tracing = traced::init("guide").unwrap();
        eprint!("{}", tracing.explain());
        return;
    }
    let mut count = 0;
    for block in pages().into_iter().flat_map(|page| page.blocks()).filter(|block| block.info == "sh") {
        let exports = block.text.lines().filter_map(|line| line.strip_prefix("export "));
        let variables: Vec<_> = exports
            .map(|export| export.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
            .collect();
        if !variables.is_empty() {
            count += 1;
            is_heeded(&block.place, &variables);
        }
    }
    assert!(count > 2, "only {count} were found");
}

#[test]
fn what_the_deployment_sets_is_heeded() {
    let deployment = load("docs/kubernetes/deployment.yaml").remove(0);
    let template = &deployment["spec"]["template"]["spec"]["containers"][0];
    let mut known: Vec<(String, String)> = Vec::new();
    for variable in template["env"].as_vec().unwrap() {
        let name = variable["name"].as_str().unwrap().to_owned();
        let value = match variable["value"].as_str() {
            // As Kubernetes does: what stands before is put in the place of its name.
            Some(value) => known
                .iter()
                .fold(value.to_owned(), |value, (name, of)| value.replace(&format!("$({name})"), of)),
            None => format!("the-{}", name.to_lowercase().replace('_', "-")),
        };
        assert!(!value.contains("$("), "{name} names one that does not stand before it: {value}");
        known.push((name, value));
    }
    let ours: Vec<_> = known.into_iter().filter(|(name, _)| name.starts_with("OTEL_")).collect();
    assert!(ours.len() > 4);
    is_heeded("deployment.yaml", &ours);
    let explained = explained("deployment.yaml", &ours);
    assert!(explained.contains("k8s.pod.name: the-pod-name (OTEL_RESOURCE_ATTRIBUTES)"), "{explained}");
}
