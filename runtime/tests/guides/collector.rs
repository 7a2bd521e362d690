//! The collector's configurations, as far as one can tell without a collector: that they name only what is defined, define only
//! what is used, and set only options that the components' sources know (opentelemetry-collector and -contrib 0.162, Jaeger
//! 2.21).

use yaml_rust2::Yaml;

use crate::page::{files, pages};
use crate::yaml::{entries, keys, leaves, load, parse, texts};

/// The options of each component that these configurations may use; `[]` is a list.
const KNOWN: &[(&str, &[&str])] = &[
    ("receivers/otlp", &["protocols.grpc.endpoint", "protocols.http.endpoint"]),
    (
        "processors/memory_limiter",
        &["check_interval", "limit_mib", "limit_percentage", "spike_limit_mib", "spike_limit_percentage"],
    ),
    ("processors/batch", &["", "send_batch_max_size", "send_batch_size", "timeout"]),
    ("processors/attributes", &["actions[].action", "actions[].key", "actions[].pattern"]),
    (
        "processors/redaction",
        &["allow_all_keys", "blocked_key_patterns[]", "blocked_values[]", "redact_all_types", "summary"],
    ),
    (
        "processors/transform",
        &["error_mode", "trace_statements[].context", "trace_statements[].statements[]"],
    ),
    (
        "processors/tail_sampling",
        &[
            "decision_cache.non_sampled_cache_size",
            "decision_cache.sampled_cache_size",
            "decision_wait",
            "expected_new_traces_per_sec",
            "num_traces",
            "policies[].drop.drop_sub_policy[].name",
            "policies[].drop.drop_sub_policy[].string_attribute.key",
            "policies[].drop.drop_sub_policy[].string_attribute.values[]",
            "policies[].drop.drop_sub_policy[].type",
            "policies[].latency.threshold_ms",
            "policies[].name",
            "policies[].probabilistic.sampling_percentage",
            "policies[].status_code.status_codes[]",
            "policies[].string_attribute.key",
            "policies[].string_attribute.values[]",
            "policies[].type",
        ],
    ),
    (
        "exporters/load_balancing",
        &[
            "protocol.otlp.timeout",
            "protocol.otlp.tls.insecure",
            "resolver.dns.hostname",
            "resolver.dns.interval",
            "resolver.dns.port",
            "resolver.k8s.ports[]",
            "resolver.k8s.service",
            "routing_key",
        ],
    ),
    (
        "exporters/otlp_grpc",
        &[
            "endpoint",
            "retry_on_failure.enabled",
            "retry_on_failure.max_elapsed_time",
            "sending_queue.enabled",
            "sending_queue.queue_size",
            "tls.insecure",
        ],
    ),
    ("exporters/zipkin", &["endpoint"]),
    ("exporters/prometheus", &["endpoint"]),
    ("exporters/jaeger_storage_exporter", &["trace_storage"]),
    (
        "connectors/span_metrics",
        &[
            "dimensions[].name",
            "histogram.explicit.buckets[]",
            "histogram.unit",
            "metrics_expiration",
            "metrics_flush_interval",
        ],
    ),
    ("extensions/health_check", &["endpoint"]),
    ("extensions/healthcheckv2", &["http.endpoint", "use_v2"]),
    ("extensions/jaeger_query", &["http.endpoint", "storage.traces"]),
    (
        "extensions/jaeger_storage",
        &[
            "backends.elasticsearch.elasticsearch.indices.index_prefix",
            "backends.elasticsearch.elasticsearch.indices.services.date_layout",
            "backends.elasticsearch.elasticsearch.indices.services.replicas",
            "backends.elasticsearch.elasticsearch.indices.services.rollover_frequency",
            "backends.elasticsearch.elasticsearch.indices.services.shards",
            "backends.elasticsearch.elasticsearch.indices.spans.date_layout",
            "backends.elasticsearch.elasticsearch.indices.spans.replicas",
            "backends.elasticsearch.elasticsearch.indices.spans.rollover_frequency",
            "backends.elasticsearch.elasticsearch.indices.spans.shards",
            "backends.elasticsearch.elasticsearch.server_urls[]",
        ],
    ),
];

const SECTIONS: [&str; 5] = ["receivers", "processors", "exporters", "connectors", "extensions"];

/// The configurations, with their names.
pub(crate) fn configurations() -> Vec<(String, Yaml)> {
    let folder =
        |path: &std::path::PathBuf| path.parent().is_some_and(|folder| folder.ends_with("collector"));
    let paths = files("yaml").into_iter().filter(folder);
    let named = paths.map(|path| {
        let mut documents = load(&path);
        assert_eq!(documents.len(), 1, "{}", path.display());
        (path.file_name().unwrap().to_string_lossy().into_owned(), documents.remove(0))
    });
    named.collect()
}

/// The configuration of that name.
pub(crate) fn configuration(name: &str) -> Yaml {
    configurations().into_iter().find(|(other, _)| other == name).unwrap_or_else(|| panic!("no {name}")).1
}

/// `tail_sampling/errors` is of the type `tail_sampling`.
fn type_of(id: &str) -> &str {
    id.split_once('/').map_or(id, |(kind, _)| kind)
}

fn check_options(place: &str, configuration: &Yaml) {
    for section in SECTIONS {
        for (id, options) in entries(&configuration[section]) {
            let component = format!("{section}/{}", type_of(id));
            let Some((_, known)) = KNOWN.iter().find(|(known, _)| *known == component) else {
                panic!("{place}: nobody looked up {component}");
            };
            let mut found = Vec::new();
            leaves(options, "", &mut found);
            for (option, value) in found {
                assert!(known.contains(&option.as_str()), "{place}: {component} has no option `{option}`");
                assert!(option.is_empty() || !value.is_null(), "{place}: {component}: `{option}` is empty");
            }
        }
    }
}

#[test]
fn components_have_only_options_that_their_sources_know() {
    for (name, configuration) in configurations() {
        check_options(&name, &configuration);
    }
    // And so have those that a page shows in part.
    let mut count = 0;
    for block in pages().into_iter().flat_map(|page| page.blocks()).filter(|block| block.info == "yaml") {
        for document in parse(&block.text, &block.place) {
            count += 1;
            check_options(&block.place, &document);
        }
    }
    assert!(count > 0);
}

#[test]
fn pipelines_name_what_is_defined_and_nothing_is_defined_in_vain() {
    for (name, configuration) in configurations() {
        let mut unused: Vec<(&str, &str)> = Vec::new();
        for section in keys(&configuration) {
            assert!(section == "service" || SECTIONS.contains(&section), "{name}: what is `{section}`?");
            unused.extend(keys(&configuration[section]).into_iter().map(|id| (section, id)));
        }
        unused.retain(|(section, _)| *section != "service");
        let mut of_connectors = Vec::new();
        let mut use_one = |sections: &[&str], id: &str| {
            let section = sections.iter().find(|section| keys(&configuration[**section]).contains(&id));
            let section = section.unwrap_or_else(|| panic!("{name}: `{id}` is none of {sections:?}"));
            if *section == "connectors" {
                of_connectors.push((id.to_owned(), sections[0].to_owned()));
            }
            unused.retain(|(other, used)| !(other == section && *used == id));
        };
        let service = &configuration["service"];
        assert!(keys(service).iter().all(|key| ["extensions", "pipelines"].contains(key)), "{name}");
        for id in texts(&service["extensions"]) {
            use_one(&["extensions"], id);
        }
        let pipelines = entries(&service["pipelines"]);
        assert!(!pipelines.is_empty(), "{name} has no pipeline");
        for (id, pipeline) in pipelines {
            assert!(["traces", "metrics"].contains(&type_of(id)), "{name}: {id}");
            for (part, sections) in [
                ("receivers", &["receivers", "connectors"][..]),
                ("processors", &["processors"]),
                ("exporters", &["exporters", "connectors"]),
            ] {
                for id in texts(&pipeline[part]) {
                    use_one(sections, id);
                }
            }
            for end in ["receivers", "exporters"] {
                assert!(!texts(&pipeline[end]).is_empty(), "{name}: {id} has no {end}");
            }
        }
        for connector in keys(&configuration["connectors"]) {
            for end in ["receivers", "exporters"] {
                let has_end = of_connectors.iter().any(|(id, of)| id == connector && of == end);
                assert!(has_end, "{name}: {connector} is not among the {end} of a pipeline");
            }
        }
        assert!(unused.is_empty(), "{name}: nobody uses {unused:?}");
    }
}

#[test]
fn memory_is_limited_first_and_batches_are_made_last() {
    for (name, configuration) in configurations() {
        let pipelines = entries(&configuration["service"]["pipelines"]);
        for (_, pipeline) in pipelines.into_iter().filter(|(id, _)| type_of(id) == "traces") {
            let processors = texts(&pipeline["processors"]);
            if name != "jaeger-elasticsearch.yaml" {
                assert_eq!(processors.first(), Some(&"memory_limiter"), "{name}");
            }
            if let Some(place) = processors.iter().position(|id| *id == "batch") {
                assert_eq!(place, processors.len() - 1, "{name}");
            }
        }
    }
}

#[test]
fn each_policy_has_what_its_type_asks_for_and_a_name_of_its_own() {
    let sampling = configuration("sampling.yaml");
    let policies = sampling["processors"]["tail_sampling"]["policies"].as_vec().unwrap();
    let mut names = Vec::new();
    for policy in policies {
        let (name, kind) = (policy["name"].as_str().unwrap(), policy["type"].as_str().unwrap());
        assert!(!policy[kind].is_badvalue(), "{name}: `{kind}` is missing");
        assert_eq!(keys(policy).len(), 3, "{name}");
        assert!(!names.contains(&name), "{name} stands twice");
        names.push(name);
    }
    let of = |kind: &str| policies.iter().find(|policy| policy["type"].as_str() == Some(kind)).unwrap();
    assert_eq!(texts(&of("status_code")["status_code"]["status_codes"]), ["ERROR"]);
    assert_eq!(of("latency")["latency"]["threshold_ms"].as_i64(), Some(1_000));
    assert_eq!(of("probabilistic")["probabilistic"]["sampling_percentage"].as_i64(), Some(5));
}

#[test]
fn the_gateway_sends_to_the_port_on_which_the_next_tier_listens() {
    let (gateway, sampling) = (configuration("gateway.yaml"), configuration("sampling.yaml"));
    let port = gateway["exporters"]["load_balancing"]["resolver"]["dns"]["port"].as_str().unwrap();
    let endpoint = sampling["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"].as_str().unwrap();
    assert_eq!(endpoint.rsplit_once(':').unwrap().1, port);
    assert_eq!(gateway["exporters"]["load_balancing"]["routing_key"].as_str(), Some("traceID"));
}
