package main

import "net/http"

// This file is operations that lose an index.

func lostIndices() []operation {
	remove := func(index func(s *stage) string) func(s *stage) {
		return func(s *stage) { s.call(http.MethodDelete, "/"+index(s), "") }
	}
	ledgers := func(s *stage) string { return s.index + "-principals" }
	return []operation{
		{
			name: "delete-today", title: "delete today's index",
			do:    remove((*stage).today),
			after: func(s *stage) { s.acknowledge("index-remade") },
			want: want{
				see: everywhere("200 503"), out: "?", recover: itWill, lost: "sessions of today",
				log: []string{"ERROR index"}, report: []string{"index-lost|index-remade"}, after: []string{"index-remade"},
			},
		},
		{
			name: "delete-old", title: "delete an index of 3 days ago; the next sweep", days: 3,
			do:    then(remove(func(s *stage) string { return s.indexOf(threeDaysAgo()) }), func(s *stage) { s.sweep(nil) }),
			after: func(s *stage) { s.acknowledge("index-lost", "index-remade") },
			want: want{
				see: seeing("200 503", "200 503", "200", "200"), out: "alice, bob, somebody", recover: itWill, lost: "sessions of that day",
				log: []string{"ERROR index"}, report: []string{"index-lost|index-remade"}, after: []string{"index-lost|index-remade"},
			},
		},
		{
			name: "delete-principals", title: "delete `session-principals`; the next sweep", hasty: true,
			do:    then(remove(ledgers), (*stage).sweepHere),
			mend:  func(s *stage) { s.reopen(nil) },
			after: func(s *stage) { s.acknowledge("index-remade", "index-lost") },
			want: want{
				see: seeing("200", "200", "200", "200 503"), recover: either, lost: "ledgers",
				log: []string{"ERROR session-principals"}, report: []string{"index-remade|index-lost|index-missing"}, after: []string{"index-remade|index-lost"},
			},
		},
		handMade(),
	}
}

// handMade is an index that the store didn't make.
func handMade() operation {
	return operation{
		name: "hand-made", title: "delete today's index and make one by hand, without the template", hasty: true,
		do: func(s *stage) {
			s.call(http.MethodDelete, "/_index_template/"+s.index+"-*", "", http.StatusNotFound)
			s.makeByHand(s.today())
		},
		mend: func(s *stage) {
			s.setUp() // or the engine makes it by itself again, at a write
			s.call(http.MethodDelete, "/"+s.today(), "")
		},
		want: want{
			see: everywhere("200 503"), out: "?", recover: itCant, lost: "sessions of today",
			log: []string{"ERROR index"}, report: []string{"index-foreign", "*"}, after: []string{"index-remade|index-lost"},
		},
	}
}

// makeByHand puts an index that was made by hand in the place of one of ours, which a store
// that notices the loss first makes anew.
func (s *stage) makeByHand(index string) {
	for range 100 {
		s.call(http.MethodDelete, "/"+index, "", http.StatusNotFound)
		status, answer, err := s.try(http.MethodPut, "/"+index, "")
		switch {
		case err != nil:
			s.Fatalf("making %s by hand: %v", index, err)
		case status == http.StatusOK:
			return
		case status != http.StatusBadRequest:
			s.Fatalf("making %s by hand: %d %.500s", index, status, answer)
		}
	}
	s.Fatalf("the store made %s anew 100 times before a hand did", index)
}
