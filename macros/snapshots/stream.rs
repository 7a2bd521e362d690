// #[traced()]
// fn ids(&self) -> impl Stream<Item = u64> {
//     iter(0..3)
// }
//
// adds 179 tokens

fn ids(&self) -> impl Stream<Item = u64> {
    let __traced_site = {
        static SITE: ::traced::__private::Callsite = ::traced::__private::Callsite::new(
            "ids",
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
    };
    let mut __traced_call = ::traced::__private::Call::later(__traced_site);
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
