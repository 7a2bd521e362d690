//! One operation of several steps: functions have spans by their attribute, steps inside one by `span!`.
//!
//! `cargo run --example steps`

use traced::traced;

#[traced(ok(report => rows = report.rows, "report.bytes" = report.text.len()))]
async fn report(month: &str) -> Result<Report, String> {
    let rows = traced::span!("load", month).wrap(load(month)).await?;

    // A step of plain code; its span ends with the block.
    let sum = {
        let _step = traced::span!("sum", rows = rows.len()).enter();
        rows.iter().sum::<u32>()
    };
    traced::event!("report.summed", sum);

    // A span a round, of few names and with the number as an attribute.
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let line = traced::span!("write row", number).run(|| format!("{number}: {row}\n"));
        text.push_str(&line);
    }
    Ok(Report { rows: rows.len(), text })
}

async fn load(month: &str) -> Result<Vec<u32>, String> {
    tokio::task::yield_now().await;
    match month {
        "may" => Ok(vec![3, 4, 5]),
        _ => Err(format!("no rows of {month}")),
    }
}

struct Report {
    rows: usize,
    text: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _tracing = traced::init("reports")?;
    print!("{}", report("may").await?.text);
    Ok(())
}

#[tokio::test]
async fn the_steps_stand_below_the_operation_in_their_order() {
    let (report, trace) = traced::testing::capture(report("may")).await;
    assert!(report.is_ok());
    assert_eq!(
        trace.to_string(),
        r#"report
│   rows: i64 = 3
│   report.bytes: i64 = 15
│   • report.summed
│       sum: i64 = 12
├── load
│       month: str = "may"
├── sum
│       rows: i64 = 3
├── write row
│       number: i64 = 0
├── write row
│       number: i64 = 1
└── write row
        number: i64 = 2
"#
    );
}
