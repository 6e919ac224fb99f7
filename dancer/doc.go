// Package dancer replaces the Perl module Dancer::Session::ElasticSearch: it reads the
// config.yml of a Dancer 1 application, opens sessions by it, and reads the signed ids
// in its visitors' old cookies.
//
//	sessions, err := dancer.Open(ctx, "config.yml", nil)
//	http.ListenAndServe(addr, sessions.Handler(sessions.AfterHook(mux)))
//
// docs/from-dancer.md has Perl and Go side by side. The parts by themselves:
//
//	config, err := dancer.LoadConfig("config.yml", nil)
//	for _, w := range config.Warnings {
//		log.Println(w)
//	}
//	id, err := config.Signer().Verify(value) // of a cookie named config.Cookie.Name
//
// # Sessions
//
// Open gives sessions of package cloakroom, in indices of package elasticstore, beside
// the old ones. For the setting index "my_index" they live in my_index-*, with a cookie
// and keys of their own. my_index and the old cookie are left alone, so that old and new
// processes can run at once.
//
// With OpenOptions.Import visitors bring their old sessions along: a request with the old
// cookie gets a session with the old one's values, and who was signed in stays so. The
// old document and the old cookie are then gone.
//
// # Signed ids
//
// A Signer signs and verifies ids as the module does, byte for byte. Its comment has the
// format. The module accepted an empty secret, with which anybody can sign; here it is
// an error.
//
// # The configuration
//
// The application keeps its file. These settings are read:
//
//	session:       "ElasticSearch"
//	session_options:
//	  connection:                        # of the client, ElasticSearch 0.66
//	    servers: "127.0.0.1:9200"        # or a list; defaults to this
//	    timeout: 5                       # seconds; defaults to the store's
//	  index: "my_index"                  # defaults to "session"
//	  type:  "my_session"                # defaults to "session"
//	  signing:
//	      secret: "ldjaldjaklsdanm.m"    # required
//	      length: 10                     # defaults to 10
//	  is_lazy:    0                      # defaults to 0
//	session_name: "dancer.session"       # defaults to this
//	session_expires: "2 weeks"           # defaults to the end of the browser's run
//	session_secure: 1                    # defaults to 0
//	session_is_http_only: 1              # defaults to 1
//	session_domain: ".shop.example"      # defaults to the host
//	session_same_site: "Lax"             # Strict, Lax or None
//
// An address may have http:// or https:// in front of it, a path behind it, and a login,
// as https://USER:PASSWORD@HOST:9200. A warning names every other setting in
// session_options, or whose name begins with session_. The client's other settings get a
// warning with the reason why they aren't needed. All other settings are Dancer's own
// and are left alone.
//
// session_expires is a number of seconds, or a text that [Dancer::Cookie] understands:
// "+2h", "2 hours", "1 day and 3 hours", "1:30". In these m is a minute, M a month of 30
// days, and y a year of 365.
//
// # How Perl reads it
//
// Every scalar is text: 0123, 1e3, 0x10, yes and true are taken literally. A plain ~, or
// nothing, is undefined. "", 0 and undefined are false. All other text is true: also no,
// off and false, for which there is a warning. That is how YAML.pm, Dancer's default,
// reads files. Where YAML::XS reads something else there is a warning, or an error if
// nobody can tell the application's value: names that stand twice, several documents,
// escapes in a secret that YAML.pm doesn't know. Neither merges the settings that <<
// names.
//
// YAML.pm accepts some texts that aren't YAML, such as a: b: c. Here they are errors:
// put quotes around the value.
//
// Secrets and passwords are shown nowhere: in no error, in no warning, and not by a
// Config that is printed or encoded.
//
// # Where this is known from
//
// The module's behaviour was recorded, from version 1.007 on Dancer 1.3521 and 1.3121:
// testdata/vectors.json. Its documentation says that is_lazy is off by default, but the
// module takes 1; we follow the documentation. Dancer::Config, of 1.3512, shows how
// files are found, read and merged, Dancer::Cookie shows durations, and
// Dancer::Session::Abstract the cookie's settings. Dancer's Changes tell that
// environments are merged setting by setting since 1.3127. The client's settings are in
// ElasticSearch::Transport, and the reading of scalars is in YAML::Loader, of YAML.pm.
//
// [Dancer::Cookie]: https://metacpan.org/pod/Dancer::Cookie
package dancer
