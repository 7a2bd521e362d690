// #[traced()]
// fn tick() {
//     tokio::spawn(tock());
// }
//
// adds 181 tokens

fn tick() {
    let mut __traced_call = ::traced::__private::Call::inside(
        {
            static SITE: ::traced::__private::Callsite = ::traced::__private::Callsite::new(
                "tick",
                ::traced::__private::SpanKind::Internal,
                1u32,
                &::traced::__private::Origin {
                    scope: "traced-macros",
                    version: "0.1.0",
                    module: ::traced::__private::module_path!(),
                    file: "src/lib.rs",
                },
            );
            &SITE
        },
        ::traced::__private::name_of(|| ()),
    );
    let __traced_value = ::traced::__private::made(move || -> () {
        match () {
            () => {
                tokio::spawn(::traced::__private::spawned(tock()).carry());
            }
        }
    });
    __traced_call.end();
    __traced_value
}
