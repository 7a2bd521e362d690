use traced::traced;

#[traced(attr(id = __traced_call), when = __traced_call.on())]
async fn load() {}

fn main() {
    drop(load());
}
