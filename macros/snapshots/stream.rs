// #[traced()]
// fn ids(&self) -> impl Stream<Item = u64> {
//     iter(0..3)
// }
//
// adds 147 tokens

fn ids(&self) -> impl Stream<Item = u64> {
    let mut __traced_call = ::traced::__private::Call::new({
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
    });
    let __traced_body = ::traced::__private::made(move || {
        let __traced_value = { iter(0..3) };
        __traced_value
    });
    ::traced::__private::traced_stream(
        __traced_call,
        __traced_body,
        |__traced_call: ::traced::__private::Call| __traced_call.end(),
    )
}
