//! A first run: an order service whose traces the console prints.
//!
//! `cargo run --example orders` shows nesting, async, spawned work, an error and where it came from, an event,
//! a link, a retry, and an error that is an answer and no fault.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use traced::opentelemetry::Context;
use traced::traced;

#[tokio::main]
async fn main() -> Result<(), traced::SetupError> {
    let _tracing = traced::init("orders")?;

    let first = Order { id: 1001, customer: "ada".into(), items: vec![("tea", 3), ("cup", 1), ("tin", 2)] };
    let second = Order { id: 1002, customer: "bob".into(), items: vec![("moon", 1)] };
    let shop = Shop { currency: "EUR", customers: HashMap::from([(1, "ada"), (2, "bob")]) };

    let mut handled = Vec::new();
    for order in [first, second] {
        if let Err(error) = shop.handle(order, &mut handled).await {
            println!("refused: {error}");
        }
    }
    settle(&handled).await;
    assert_eq!(shop.customer(7).map_err(|error| error.to_string()), Err("no customer 7".to_owned()));
    assert_eq!(shop.customer(1).map_err(|error| error.to_string()), Ok("ada"));
    Ok(())
}

struct Order {
    id: u64,
    customer: String,
    items: Vec<(&'static str, u32)>,
}

struct Shop {
    currency: &'static str,
    customers: HashMap<u64, &'static str>,
}

#[traced]
impl Shop {
    #[traced(name = "POST /orders", kind = server, attr(order.id, order.customer, items = order.items.len()))]
    async fn handle(&self, order: Order, handled: &mut Vec<Context>) -> Result<(), OrderError> {
        handled.push(traced::current().context().clone());
        self.place(order).await
    }

    async fn place(&self, order: Order) -> Result<(), OrderError> {
        let total = price(&order).await?;
        traced::event!("order.priced", total, currency = self.currency);

        // The mail is sent by a task of its own; its spans stay in this trace.
        let mail = tokio::spawn(send_mail(order.customer.clone()));
        pay(order.id, total).await?;
        mail.await.expect("the mailer does not panic");
        Ok(())
    }

    /// A missing customer is an answer: the exception is recorded, and the span has not failed.
    #[traced(attr("customer.id" = id), error_if(error => !matches!(error, OrderError::NoCustomer(_))))]
    fn customer(&self, id: u64) -> Result<&str, OrderError> {
        self.customers.get(&id).copied().ok_or(OrderError::NoCustomer(id))
    }
}

#[traced(ok(total => "order.total" = total))]
async fn price(order: &Order) -> Result<f64, OrderError> {
    let mut total = 0.0;
    for &(item, count) in &order.items {
        total += item_price(item).await? * f64::from(count);
    }
    Ok(total)
}

#[traced(attr(item))]
async fn item_price(item: &str) -> Result<f64, OrderError> {
    tokio::time::sleep(Duration::from_millis(4)).await;
    match item {
        "tea" => Ok(4.5),
        "cup" => Ok(12.0),
        "tin" => Ok(7.25),
        _ => Err(OrderError::Pricing(PricingError { item: item.to_owned() })),
    }
}

#[traced(kind = client, attr("order.id" = order, amount))]
async fn pay(order: u64, amount: f64) -> Result<(), OrderError> {
    for attempt in 1..=2 {
        let answered = traced::span!("payment attempt", attempt).wrap(charge(attempt)).await;
        if answered {
            return Ok(());
        }
        traced::event!("payment.retry", attempt);
    }
    Err(OrderError::Unpaid { order })
}

async fn charge(attempt: u32) -> bool {
    tokio::time::sleep(Duration::from_millis(6)).await;
    attempt > 1
}

#[traced(kind = producer)]
async fn send_mail(#[attr("mail.to")] customer: String) {
    tokio::time::sleep(Duration::from_millis(9)).await;
    traced::set!(mail.bytes = customer.len() + 400);
}

/// A batch is a trace of its own, linked to the requests it settles.
#[traced(root, kind = consumer, links(requests), attr(requests = requests.len()))]
async fn settle(requests: &[Context]) {
    for number in 1..=requests.len() {
        let _step = traced::span!("settle one", number).enter();
    }
}

#[derive(Debug)]
enum OrderError {
    Pricing(PricingError),
    Unpaid { order: u64 },
    NoCustomer(u64),
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pricing(_) => f.write_str("the order cannot be priced"),
            Self::Unpaid { order } => write!(f, "order {order} was not paid"),
            Self::NoCustomer(id) => write!(f, "no customer {id}"),
        }
    }
}

impl std::error::Error for OrderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Pricing(error) => Some(error),
            Self::Unpaid { .. } | Self::NoCustomer(_) => None,
        }
    }
}

#[derive(Debug)]
struct PricingError {
    item: String,
}

impl fmt::Display for PricingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nobody sells a {}", self.item)
    }
}

impl std::error::Error for PricingError {}
