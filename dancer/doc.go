// Package dancer takes over from the Perl module Dancer::Session::ElasticSearch.
package dancer
