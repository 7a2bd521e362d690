// #[traced(
//     name = "load",
//     kind = client,
//     parent = headers,
//     links(&links),
//     when = id>0,
//     attr(id, ?opts),
//     ok(found = >found.rows),
//     err(Error{code, ..}= >code),
//     error_if(e = >e.code>499)
// )]
// fn load(
//     headers: &Headers,
//     links: Vec<Context>,
//     id: u64,
//     opts: Opts,
//     (_, b): (u8, u8),
// ) -> Result<Found, Error> {
//     find(id)
// }
//
// adds 479 tokens

fn load(
    headers: &Headers,
    links: Vec<Context>,
    id: u64,
    opts: Opts,
    r#b: (u8, u8),
) -> Result<Found, Error> {
    let mut __traced_call = ::traced::__private::Call::under({
        static SITE: ::traced::__private::Callsite = ::traced::__private::Callsite::new(
            "load",
            ::traced::__private::SpanKind::Client,
            1u32,
            &::traced::__private::Origin {
                scope: "traced-macros",
                version: "0.1.0",
                module: ::traced::__private::module_path!(),
                file: "src/lib.rs",
            },
        );
        &SITE
    });
    if __traced_call.on() {
        if __traced_call.starts() && !::traced::__private::holds(id > 0) {
            __traced_call.without();
        }
        __traced_call.parent(&headers);
        if __traced_call.starts() {
            __traced_call.links(&links);
            if __traced_call.wants_attributes() {
                __traced_call.attribute("id", &(id));
                __traced_call.debug("opts", &(opts));
            }
        }
    }
    let __traced_value = __traced_call
        .run(move || -> Result<Found, Error> {
            let links = links;
            let _ = &links;
            let opts = opts;
            let _ = &opts;
            let mut r#b = r#b;
            let (_, b) = r#b;
            match () {
                () => find(id),
            }
        });
    if __traced_call.came_back() {
        match ::traced::__private::success(&__traced_value) {
            ::traced::__private::Some(found) => {
                __traced_call.attribute("found.rows", &(found.rows));
            }
            #[allow(unreachable_patterns)]
            _ => {}
        }
        match ::traced::__private::error(&__traced_value) {
            ::traced::__private::Some(Error { code, .. }) => {
                __traced_call.attribute("code", &(code));
            }
            #[allow(unreachable_patterns)]
            _ => {}
        }
    }
    let __traced_verdict = ::traced::__private::is_fault(
        &__traced_call,
        &__traced_value,
        |__traced_error| match __traced_error {
            e => ::traced::__private::holds(e.code > 499),
            #[allow(unreachable_patterns)]
            _ => true,
        },
    );
    ::traced::__private::probe(&__traced_value).end(__traced_call, __traced_verdict);
    __traced_value
}
