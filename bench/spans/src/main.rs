//! What a span costs: `traced` beside its peers. README.md, one folder up, says what each command prints.

mod floor;
mod load;
mod measure;
mod null;
mod peer;
mod picture;
mod process;
mod receiver;
mod report;
mod row;
mod scaling;
mod scrub;
mod soak;

use std::error::Error;
use std::fs;

use measure::Amount;

/// Where `peers` leaves what it measured.
const MEASURED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/measured.json");
/// Where `picture` draws it.
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/measured.svg");

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["peers"] => peers(Amount { rounds: 301, spans: 900 }),
        ["peers", rounds, spans] => peers(Amount { rounds: rounds.parse()?, spans: spans.parse()? }),
        ["picture"] => {
            let report = serde_json::from_str(&fs::read_to_string(MEASURED)?)?;
            Ok(fs::write(PICTURE, picture::draw(&report))?)
        }
        ["process"] => process::compare(),
        ["scaling"] => {
            scaling::run();
            Ok(())
        }
        ["scrub"] => {
            scrub::run();
            Ok(())
        }
        ["soak"] => soak::run(),
        // The processes that `process` starts.
        ["load", peer, sink] => load::run(peer, sink),
        ["receive"] => receiver::run(),
        _ => Err("commands: peers [rounds spans], picture, process, scaling, scrub, soak".into()),
    }
}

fn peers(amount: Amount) -> Result<(), Box<dyn Error>> {
    let report = measure::run(amount);
    print!("{report}");
    fs::write(MEASURED, serde_json::to_string_pretty(&report)? + "\n")?;
    Ok(())
}
