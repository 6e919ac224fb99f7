// The shop works without this file. It only spares whole page loads: a form is
// sent in the background, and the page that comes back takes the place of this.
"use strict";

// Forms are sent one after the other, so that none is lost to quick fingers, and
// the last page is the one that stays.
let waiting = 0;
let queue = Promise.resolve();

document.addEventListener("submit", (event) => {
  const form = event.target;
  const button = event.submitter;
  if (form.method !== "post") return;
  event.preventDefault();
  const fields = new URLSearchParams(new FormData(form));
  if (button && button.name) fields.append(button.name, button.value);
  const action = form.action;
  waiting++;
  queue = queue.then(() => send(action, fields, button));
});

async function send(action, fields, button) {
  try {
    const answer = await fetch(action, { method: "POST", body: fields });
    const text = await answer.text();
    waiting--;
    if (waiting === 0 || !answer.ok) {
      show(new DOMParser().parseFromString(text, "text/html"), button);
    }
  } catch {
    waiting--;
    say("The shop does not answer. Is the demo still running?");
  }
}

// show puts another page in the place of this one, and the focus where it was.
function show(next, button) {
  const focus = button && button.dataset.focus;
  const counter = document.getElementById("counter");
  const top = counter ? counter.scrollTop : 0;
  document.title = next.title;
  document.getElementById("page").replaceWith(next.getElementById("page"));
  const again = document.getElementById("counter");
  if (again) again.scrollTop = top;
  const notice = document.getElementById("notice");
  const target = focus && document.querySelector(`[data-focus="${CSS.escape(focus)}"]`);
  if (target) {
    target.focus({ preventScroll: true });
  } else {
    const place = notice || document.querySelector("h1");
    place.tabIndex = -1;
    place.focus({ preventScroll: !!notice && !notice.closest(".failure") });
  }
  tell(notice ? notice.textContent.trim() : "");
}

// tell has screen readers say something.
function tell(text) {
  document.getElementById("live").textContent = text;
}

// say shows a message of the page's own.
function say(text) {
  let notice = document.getElementById("notice");
  if (!notice) {
    notice = document.createElement("p");
    notice.id = "notice";
    notice.className = "notice";
    const lead = document.querySelector(".lead");
    if (lead) lead.replaceWith(notice);
  }
  notice.textContent = text;
  tell(text);
}
