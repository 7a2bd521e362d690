//! What a span costs the whole process: the SDK's batch pipeline beside `traced`, each in a fresh one.

use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use crate::load;
use crate::measure::{approximate, median};

/// Loads of each peer, in turns; the median counts.
const RUNS: usize = 3;

/// One load, seen from outside.
struct Outcome {
    cpu_ns: u64,
    arrived: u64,
}

pub fn compare() -> Result<(), Box<dyn Error>> {
    println!("{:24}{:>8}{:>8}   traced must reach", "CPU ns", "sdk", "traced");
    let sdk = rows("null", 0.30, null)?;
    let floor = (0..RUNS).map(|_| Ok(null("floor")?.ns())).collect::<Result<_, Box<dyn Error>>>()?;
    let floor = median(floor);
    println!("{:24}{:>8}{floor:>8.0}   {:.2} × sdk", "  floor", "", floor / sdk);
    rows("OTLP/HTTP", 0.75, otlp)?;
    println!("\nfloor: contexts, and spans as an exporter takes them, made on one thread and thrown away");
    println!("of the whole process, per exported span; medians of {RUNS} loads of {} spans", load::spans());
    Ok(())
}

/// Two rows: `traced` as it is, and with no attributes beside those that the SDK is given too. Gives what the SDK costs.
fn rows(
    into: &str,
    most: f64,
    run: fn(&str) -> Result<Outcome, Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let mut loads = ["sdk", "traced", "traced-plain"].map(|peer| (peer, Vec::new()));
    for _ in 0..RUNS {
        for (peer, outcomes) in &mut loads {
            outcomes.push(run(peer)?);
        }
    }
    let lost = loads.each_ref().map(|(_, outcomes)| outcomes.iter().map(Outcome::lost).sum::<u64>());
    let [sdk, traced, plain] = loads.map(|(_, outcomes)| median(outcomes.iter().map(Outcome::ns).collect()));
    for (name, ns) in [(into, traced), ("  without code.*", plain)] {
        let ratio = ns / sdk;
        let verdict = if ratio <= most { "ok" } else { "MISS" };
        println!("{name:24}{sdk:>8.0}{ns:>8.0}   {ratio:.2} of {most:.2} × sdk {verdict}");
    }
    println!("{:24}{:>8}{:>8}", "  lost", lost[0], lost[1] + lost[2]);
    Ok(sdk)
}

impl Outcome {
    fn ns(&self) -> f64 {
        approximate(self.cpu_ns) / approximate(self.arrived)
    }

    fn lost(&self) -> u64 {
        load::spans() - self.arrived
    }
}

fn null(peer: &str) -> Result<Outcome, Box<dyn Error>> {
    load(peer, "null")
}

/// As `null`, into a receiver in yet another process; what arrived is what that has decoded.
fn otlp(peer: &str) -> Result<Outcome, Box<dyn Error>> {
    let mut receiver = child(&["receive"])?;
    let mut said = BufReader::new(receiver.stdout.take().expect("it is piped"));
    let mut address = String::new();
    said.read_line(&mut address)?;
    let outcome = load(peer, &format!("http://{}/v1/traces", address.trim()))?;
    drop(receiver.stdin.take());
    let mut arrived = String::new();
    said.read_to_string(&mut arrived)?;
    receiver.wait()?;
    Ok(Outcome { arrived: arrived.trim().parse()?, ..outcome })
}

fn load(peer: &str, sink: &str) -> Result<Outcome, Box<dyn Error>> {
    let output = child(&["load", peer, sink])?.wait_with_output()?;
    let said = String::from_utf8(output.stdout)?;
    let (cpu_ns, arrived) =
        said.trim().split_once(' ').ok_or_else(|| format!("the load of {peer} failed"))?;
    Ok(Outcome { cpu_ns: cpu_ns.parse()?, arrived: arrived.parse()? })
}

fn child(arguments: &[&str]) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(arguments)
        // What is on this machine needs no proxy.
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
}
