use traced::testing::capture;
use traced::traced;

#[derive(Debug, Clone)]
struct Point {
    x: u64,
    y: u64,
}

struct Pair(u64, String);

#[traced(attr(a, x, first, name, rest.len = rest.len(), whole = whole.x))]
fn load(
    (a, mut b): (u64, u64),
    Point { x, y: renamed, .. }: Point,
    &first: &u64,
    Pair(_, ref name): Pair,
    [head, rest @ ..]: [u64; 3],
    whole @ Point { .. }: Point,
    mut last: u64,
) -> u64 {
    b += 1;
    last += 1;
    let _ = whole;
    a + b + x + renamed + first + u64::try_from(name.len()).unwrap_or(0) + head + rest[0] + last
}

#[traced(attr(?point))]
async fn load_async((a, _): (u64, String), _: &Point, Point { .. }: Point, mut point: Point) -> u64 {
    point.x += a;
    point.x + point.y
}

#[traced]
fn irrefutable((Ok(id) | Err(id)): Result<u64, u64>, (): ()) -> u64 {
    id
}

fn main() {
    let point = Point { x: 1, y: 1 };
    let (sum, trace) = capture(|| {
        load((1, 1), point.clone(), &1, Pair(1, "a".to_owned()), [1, 1, 1], point.clone(), 1)
            + futures_executor::block_on(load_async((1, String::new()), &point, point.clone(), point.clone()))
            + irrefutable(Err(1), ())
    });
    assert_eq!(sum, 1 + 2 + 1 + 1 + 1 + 1 + 1 + 1 + 2 + 3 + 1);
    assert_eq!(trace.span("load").attribute("rest.len"), 2);
}
