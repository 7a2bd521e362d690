// #[traced(attr(id))]
// fn load(id: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
//     Box::pin(async move { id })
// }
//
// adds 253 tokens

fn load(id: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    let __traced_site = {
        static SITE: ::traced::__private::Callsite = ::traced::__private::Callsite::new(
            "load",
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
    if __traced_call.may_want_attributes() {
        __traced_call.attribute("id", &(id));
    }
    let __traced_body = ::traced::__private::made(move || -> Pin<
        Box<dyn Future<Output = u64> + Send>,
    > {
        match () {
            () => Box::pin(async move { id }),
        }
    });
    ::traced::__private::BoxedFuture::carry(
        __traced_body,
        __traced_call,
        __traced_site,
        |__traced_value: &_, mut __traced_call: ::traced::__private::Call| {
            ::traced::__private::probe(__traced_value)
                .end(__traced_call, ::traced::__private::Verdict::Fault);
        },
    )
}
