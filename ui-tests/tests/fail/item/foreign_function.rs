use traced::traced;

unsafe extern "C" {
    #[traced]
    safe fn abs(of: i32) -> i32;
}

fn main() {
    abs(1);
}
