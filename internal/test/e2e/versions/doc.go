// Package versions has the command of an earlier commit of this repository work
// beside the present one on one store, as during a deploy and a rollback.
package versions
