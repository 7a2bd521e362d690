// #[traced(attr(id))]
// fn load(id: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
//     Box::pin(async move { id })
// }
//
// adds 258 tokens

fn load(id: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    let mut __traced_call = ::traced::__private::Call::new({
        static SITE: ::traced::__private::Callsite = ::traced::__private::Callsite::new(
            "load",
            ::traced::__private::SpanKind::Internal,
            "traced-macros",
            "0.1.0",
            ::traced::__private::module_path!(),
            "src/lib.rs",
            1u32,
        );
        &SITE
    });
    if __traced_call.may_want_attributes() {
        ::traced::__private::attribute(&mut __traced_call, "id", &(id));
    }
    let __traced_body = ::traced::__private::made(move || -> Pin<
        Box<dyn Future<Output = u64> + Send>,
    > {
        let id = id;
        let _ = &id;
        let __traced_value: Pin<Box<dyn Future<Output = u64> + Send>> = {
            Box::pin(async move { id })
        };
        __traced_value
    });
    ::traced::__private::BoxedFuture::carry(
        __traced_body,
        __traced_call,
        |__traced_value: &_, mut __traced_call: ::traced::__private::Call| {
            ::traced::__private::probe(__traced_value)
                .end(__traced_call, ::traced::__private::Verdict::Fault);
        },
    )
}
