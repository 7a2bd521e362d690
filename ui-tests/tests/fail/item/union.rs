use traced::traced;

#[traced]
union Number {
    id: u64,
}

fn main() {
    _ = Number { id: 1 };
}
