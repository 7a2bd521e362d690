use traced::traced;

struct Point {
    x: u64,
    y: u64,
}

#[traced]
fn load(#[attr("point", ?)] Point { x, y }: Point) -> u64 {
    x + y
}

fn main() {
    load(Point { x: 1, y: 2 });
}
