// #[traced()]
// fn tick() {
//     tokio::spawn(tock());
// }
//
// adds 138 tokens

fn tick() {
    let mut __traced_call = ::traced::__private::Call::new({
        static SITE: ::traced::__private::Callsite = ::traced::__private::Callsite::new(
            "tick",
            ::traced::__private::SpanKind::Internal,
            "traced-macros",
            "0.1.0",
            ::traced::__private::module_path!(),
            "src/lib.rs",
            1u32,
        );
        &SITE
    });
    let __traced_value = __traced_call
        .run(move || -> () {
            match () {
                () => {
                    tokio::spawn(::traced::__private::spawned(tock()).carry());
                }
            }
        });
    __traced_call.end();
    __traced_value
}
