use traced::traced;

#[traced(colour = red, root, parent = cx, timing, skip, err(e => e), attr(id))]
const fn load(#[attr] (a, b): (u64, u64)) {
    _ = (a, b);
}

fn main() {
    load((1, 2));
}
