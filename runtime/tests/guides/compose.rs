//! The compose files and the manifests for Kubernetes: pinned images, files that are there, names that lead to something.

use std::collections::BTreeMap;

use yaml_rust2::Yaml;

use crate::collector::configuration;
use crate::page::{files, read, root};
use crate::yaml::{entries, keys, leaves, load, texts};

fn compose_files() -> Vec<(String, Yaml)> {
    let all = files("yaml").into_iter().filter(|path| path.parent().unwrap().ends_with("compose"));
    let named = all.map(|path| {
        (path.strip_prefix(root()).unwrap().to_string_lossy().into_owned(), load(&path).remove(0))
    });
    named.collect()
}

/// Every image that the guides start, with where.
fn images() -> Vec<(String, String)> {
    let mut images = Vec::new();
    for path in files("yaml") {
        for document in load(&path) {
            let mut found = Vec::new();
            leaves(&document, "", &mut found);
            let of = found.into_iter().filter(|(option, _)| option.split('.').next_back() == Some("image"));
            images.extend(
                of.map(|(_, image)| (image.as_str().unwrap().to_owned(), path.display().to_string())),
            );
        }
    }
    images
}

#[test]
fn images_are_pinned_and_of_one_version_each() {
    let mut versions = BTreeMap::new();
    for (image, place) in images() {
        let (name, version) =
            image.rsplit_once(':').unwrap_or_else(|| panic!("{place}: {image} is not pinned"));
        let digits = version.trim_start_matches('v').split('.');
        assert!(
            digits.clone().count() == 3 && digits.clone().all(|part| part.parse::<u32>().is_ok()),
            "{image}"
        );
        let first = versions.entry(name.to_owned()).or_insert_with(|| version.to_owned());
        assert_eq!(first, version, "{place}: {name}");
    }
    assert_eq!(versions["jaegertracing/jaeger"], versions["jaegertracing/jaeger-es-index-cleaner"]);
    let collector = &versions["otel/opentelemetry-collector-contrib"];
    let page = read("docs/collector/README.md");
    assert!(page.contains(&format!("version {}", collector.rsplit_once('.').unwrap().0)), "{collector}");
}

#[test]
fn services_depend_on_services_and_mount_files_that_are_there() {
    for (file, compose) in compose_files() {
        let services = keys(&compose["services"]);
        for (name, service) in entries(&compose["services"]) {
            let depends = &service["depends_on"];
            for other in texts(depends).into_iter().chain(keys(depends)) {
                assert!(services.contains(&other), "{file}: {name} depends on {other}");
            }
            for volume in texts(&service["volumes"]) {
                let (from, _) = volume.split_once(':').unwrap();
                let is_there = match from.strip_prefix('.') {
                    Some(_) => root().join("docs/compose").join(from).is_file(),
                    None => keys(&compose["volumes"]).contains(&from),
                };
                assert!(is_there, "{file}: {name} mounts {from}");
            }
            for port in texts(&service["ports"]) {
                assert!(port.starts_with("127.0.0.1:"), "{file}: {name} opens {port} to everybody");
            }
        }
        assert!(
            read(&file).contains(&format!("docker compose -f {file} ")),
            "{file} does not say how to start it"
        );
    }
}

/// What a service is told to be, or what the configuration says without that: `${env:NAME:-else}`.
fn resolved(text: &str, environment: &Yaml) -> String {
    let Some((before, rest)) = text.split_once("${env:") else { return text.to_owned() };
    let (variable, after) = rest.split_once('}').unwrap();
    let (name, otherwise) = variable.split_once(":-").unwrap_or((variable, ""));
    let value = environment[name].as_str().unwrap_or(otherwise);
    format!("{before}{value}{}", resolved(after, environment))
}

#[test]
fn what_a_collector_sends_to_is_a_service_beside_it() {
    let mut count = 0;
    for (file, compose) in compose_files() {
        let services = keys(&compose["services"]);
        for (name, service) in entries(&compose["services"]) {
            let mounted = texts(&service["volumes"]);
            let Some(path) = mounted.iter().find_map(|volume| {
                volume.strip_prefix("../collector/").map(|rest| rest.split_once(':').unwrap())
            }) else {
                continue;
            };
            let inside = path.1.split(':').next().unwrap();
            assert_eq!(texts(&service["command"]), [format!("--config={inside}")], "{file}: {name}");
            let configuration = configuration(path.0);
            let mut found = Vec::new();
            leaves(&configuration["exporters"], "", &mut found);
            leaves(&configuration["extensions"], "", &mut found);
            for (option, value) in found {
                let is_address =
                    [".endpoint", ".hostname", "server_urls[]"].iter().any(|end| option.ends_with(end));
                let Some(text) = value.as_str().filter(|_| is_address) else { continue };
                let address = resolved(text, &service["environment"]);
                let host = address.trim_start_matches("http://").split([':', '/']).next().unwrap();
                if host != "0.0.0.0" {
                    count += 1;
                    assert!(services.contains(&host), "{file}: {name} sends to {address}");
                }
            }
        }
    }
    assert!(count > 4, "only {count} were found");
}

#[test]
fn prometheus_scrapes_the_port_that_the_collector_opens() {
    let scraped = load("docs/compose/prometheus.yml").remove(0);
    let target = texts(&scraped["scrape_configs"][0]["static_configs"][0]["targets"])[0].to_owned();
    let opened = configuration("metrics.yaml");
    let opened = opened["exporters"]["prometheus"]["endpoint"].as_str().unwrap();
    assert_eq!(target, opened.replace("0.0.0.0", "collector"));
}

#[test]
fn in_a_cluster_the_tiers_find_each_other() {
    let documents = load("docs/kubernetes/collector.yaml");
    let of = |kind: &str, name: &str| {
        let found = documents.iter().find(|document| {
            document["kind"].as_str() == Some(kind) && document["metadata"]["name"].as_str() == Some(name)
        });
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    };
    let container = |workload: &Yaml| workload["spec"]["template"]["spec"]["containers"][0].clone();
    let environment = |container: &Yaml, name: &str| {
        let variables = container["env"].as_vec().unwrap();
        let found = variables.iter().find(|variable| variable["name"].as_str() == Some(name)).unwrap();
        found["value"].as_str().unwrap().to_owned()
    };

    let gateway = container(of("Deployment", "otel-gateway"));
    let host = environment(&gateway, "SAMPLING_HOST");
    let headless = of("Service", host.split('.').next().unwrap());
    assert_eq!(headless["spec"]["clusterIP"].as_str(), Some("None"));
    let sampling = of("StatefulSet", "otel-sampling");
    assert_eq!(sampling["spec"]["serviceName"], headless["metadata"]["name"]);
    let label = "app.kubernetes.io/name";
    for (service, workload) in
        [(headless, sampling), (of("Service", "otel-gateway"), of("Deployment", "otel-gateway"))]
    {
        let labels = &workload["spec"]["template"]["metadata"]["labels"][label];
        assert_eq!(&service["spec"]["selector"][label], labels);
        assert_eq!(&workload["spec"]["selector"]["matchLabels"][label], labels);
        let opened: Vec<_> = container(workload)["ports"]
            .as_vec()
            .unwrap()
            .iter()
            .map(|port| port["containerPort"].clone())
            .collect();
        for port in service["spec"]["ports"].as_vec().unwrap() {
            assert!(opened.contains(&port["port"]), "{port:?}");
        }
    }
    // What is held must be decided before the pod is killed.
    let grace = sampling["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap();
    let wait = configuration("sampling.yaml")["processors"]["tail_sampling"]["decision_wait"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(grace > wait.trim_end_matches('s').parse().unwrap(), "{grace} s, and {wait}");
}

#[test]
fn the_service_sends_to_the_gateway_of_its_cluster() {
    let deployment = load("docs/kubernetes/deployment.yaml").remove(0);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let value = |name: &str| {
        let variables = container["env"].as_vec().unwrap();
        variables.iter().find(|variable| variable["name"].as_str() == Some(name)).unwrap()["value"]
            .as_str()
            .unwrap()
    };
    let endpoint = value("OTEL_EXPORTER_OTLP_ENDPOINT");
    let (service, rest) = endpoint.strip_prefix("http://").unwrap().split_once('.').unwrap();
    let (namespace, port) = rest.split_once(':').unwrap();
    let port: i64 = port.parse().unwrap();
    let found = load("docs/kubernetes/collector.yaml").into_iter().any(|document| {
        let ports = document["spec"]["ports"].as_vec().cloned().unwrap_or_default();
        document["kind"].as_str() == Some("Service")
            && document["metadata"]["name"].as_str() == Some(service)
            && document["metadata"]["namespace"].as_str() == Some(namespace)
            && ports.iter().any(|opened| opened["port"].as_i64() == Some(port))
    });
    assert!(found, "{endpoint}");
}
