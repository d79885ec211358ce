// A photograph by the camera of whoever looks at the page; nothing is sent until they translate it.

import { button, make } from "./dom.js";

export async function takePhoto(taken) {
  const video = make("video", { playsinline: true, muted: true });
  const said = make("p", { role: "alert" });
  const dialog = make("dialog", { class: "camera", "aria-label": "Camera" }, video, said);
  const close = () => dialog.close();
  dialog.append(make("div", { class: "row" }, button("Take it", snap, { class: "primary" }), button("Close", close)));
  document.body.append(dialog);
  dialog.showModal();
  let stream = null;
  dialog.addEventListener("close", () => {
    stream?.getTracks().forEach((track) => track.stop());
    dialog.remove();
  });
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: true });
    video.srcObject = stream;
    await video.play();
  } catch {
    said.textContent = "There is no camera that this page may use.";
  }

  function snap() {
    if (!video.videoWidth) return;
    const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => {
      close();
      taken(new File([blob], "photograph.png", { type: "image/png" }));
    });
  }
}
