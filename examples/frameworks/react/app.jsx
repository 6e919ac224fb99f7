import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

// call asks the shop. The browser sends the cookie by itself, as the page is the shop's own.
async function call(method, path, form) {
  const answer = await fetch(path, { method, body: form && new URLSearchParams(form) });
  if (answer.status === 503) throw new Error("The shop is busy. Nothing was changed: please try again.");
  if (answer.status === 401) return null; // nobody is signed in
  if (!answer.ok) throw new Error(await answer.text());
  return answer.status === 204 ? null : answer.json();
}

function Shop() {
  const [cart, setCart] = useState({});
  const [devices, setDevices] = useState(null); // null: nobody is signed in
  const [problem, setProblem] = useState("");

  // act does something at the shop, and then shows what is there.
  async function act(something) {
    setProblem("");
    try {
      await something?.();
      setCart(await call("GET", "/cart"));
      setDevices(await call("GET", "/devices"));
    } catch (error) {
      setProblem(error.message);
    }
  }
  useEffect(() => void act(), []);

  return <main>
    <h1>Shop</h1>
    <p role="alert">{problem}</p>
    <h2>Cart</h2>
    <ul id="cart">{Object.entries(cart).map(([item, n]) => <li key={item}>{n} × {item}</li>)}</ul>
    {["coat", "hat", "scarf"].map(item =>
      <button key={item} onClick={() => act(() => call("POST", "/cart", { item }))}>Add a {item}</button>)}
    {devices ? <Devices devices={devices} act={act} /> : <SignIn act={act} />}
  </main>;
}

function SignIn({ act }) {
  return <form action={form => act(() => call("POST", "/sign-in", form))}>
    <h2>Sign in</h2>
    <label>Name <input name="name" autoComplete="username" required /></label>
    <label>Password <input name="password" type="password" autoComplete="current-password" required /></label>
    <button>Sign in</button>
  </form>;
}

function Devices({ devices, act }) {
  return <section>
    <h2>Where you are signed in</h2>
    <ul id="devices">{devices.map(d => <li key={d.id}>
      {d.agent} at {d.address} {d.current ? <b>(this one)</b> :
        <button onClick={() => act(() => call("DELETE", "/devices/" + d.id))}>Sign out there</button>}
    </li>)}</ul>
    <button onClick={() => act(() => call("POST", "/sign-out"))}>Sign out</button>
  </section>;
}

createRoot(document.getElementById("page")).render(<Shop />);
