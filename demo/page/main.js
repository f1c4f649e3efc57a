// Small helpers of the page, its tabs, and the beginning.

function byId(id) {
  return document.getElementById(id);
}

// An element with its content.
function make(tag, kind, ...content) {
  const element = document.createElement(tag);
  element.className = kind;
  element.append(...content);
  return element;
}

// The text of an element; unchanged text is not written, so that a screen reader does not repeat it.
function say(id, text) {
  if (byId(id).textContent !== text) {
    byId(id).textContent = text;
  }
}

const TABS = ["listen", "record"];

function selectTab(chosen) {
  for (const name of TABS) {
    const tab = byId(`${name}-tab`);
    tab.setAttribute("aria-selected", String(name === chosen));
    tab.tabIndex = name === chosen ? 0 : -1;
    byId(name).hidden = name !== chosen;
  }
}

function makeTabs(listener, recorder) {
  TABS.forEach((name, index) => {
    const tab = byId(`${name}-tab`);
    tab.onclick = () => {
      selectTab(name);
      (name === "listen" ? recorder : listener).stop();
      listener.dirty = true;
    };
    tab.onkeydown = ({ key }) => {
      const next = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: TABS.length - 1 }[key];
      if (next !== undefined) {
        const other = byId(`${TABS[(next + TABS.length) % TABS.length]}-tab`);
        other.click();
        other.focus();
      }
    };
  });
}

// For scripts: `(await kws.ready).hear(samples)`.
window.kws = { ready: begin() };

async function begin() {
  try {
    const module = await WebAssembly.compile(bytesOf(byId("wasm").textContent.trim()));
    const listener = new Listener(await Kws.make(module));
    const recorder = new Recorder(await Kws.make(module));
    makeTabs(listener, recorder);
    byId("start").disabled = false;
    performance.mark("ready");
    const alone = await Kws.make(module);
    return {
      listener,
      recorder,
      to16kHz,
      // Int16Array at 16 kHz, from a reset -> what Kws.push() returns.
      hear(samples, sensitivity = "medium") {
        alone.reset(sensitivity);
        return alone.push(samples);
      },
    };
  } catch (error) {
    say("problem", `this browser cannot run the firmware: ${error.message}`);
    throw error;
  }
}
