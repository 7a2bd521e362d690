// #[traced()]
// fn ids(&self) -> impl Stream<Item = u64> {
//     iter(0..3)
// }
//
// adds 158 tokens

fn ids(&self) -> impl Stream<Item = u64> {
    let __traced_site = {
        static SITE: ::traced::__private::Callsite = ::traced::__private::Callsite::new(
            "ids",
            ::traced::__private::SpanKind::Internal,
            "traced-macros",
            "0.1.0",
            ::traced::__private::module_path!(),
            "src/lib.rs",
            1u32,
        );
        &SITE
    };
    let mut __traced_call = ::traced::__private::Call::new(__traced_site);
    let __traced_body = ::traced::__private::made(move || {
        match () {
            () => iter(0..3),
        }
    });
    ::traced::__private::traced_stream(
        __traced_call,
        __traced_site,
        __traced_body,
        |__traced_call: ::traced::__private::Call| __traced_call.end(),
    )
}
