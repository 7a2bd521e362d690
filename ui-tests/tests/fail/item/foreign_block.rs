use traced::traced;

#[traced]
unsafe extern "C" {
    safe fn abs(of: i32) -> i32;
}

fn main() {
    abs(1);
}
